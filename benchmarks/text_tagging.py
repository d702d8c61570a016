"""Entities of WNUT17 by Dianji and by transformers' Trainer: sentences/s, peak memory, entity F1.

all-MiniLM-L6-v2, a linear layer over the first token of each word, the same rows, batch, learning rates and decay.
Speed is that of an epoch after a warm-up; the Trainer has its best settings (batches by length, fused AdamW), in bf16
with and without a loader process and in fp32, and the fastest one counts. Quality is that of Dianji's defaults on the
test file, over seeds; ``--full-trainer`` also trains the Trainer to the end, for as many epochs.
"""

from __future__ import annotations

from _beside_trainer import Work

SCORES = {"f1": "test entity F1", "validation_f1": "validation"}

if __name__ == "__main__":
    Work("text_tagging", "tagging", "sentences", 1.8, SCORES, 0.445).main(__doc__)
