"""Scored pairs of STS-B by Dianji and by SentenceTransformerTrainer: pairs/s, peak memory, Spearman's correlation.

all-MiniLM-L6-v2 and CoSENT, the same rows, batch and learning rate. Speed is that of an epoch after a warm-up; the
other trainer has its best settings (fused AdamW), in bf16 with and without a loader process and in fp32, and the
fastest one counts. Quality is that of Dianji's defaults on the test file, over seeds; ``--full-trainer`` also trains
the other one to the end, as its documentation does (rate 2e-5, batch 16, 4 epochs).
"""

from __future__ import annotations

from _beside_trainer import Work

SCORES = {"spearman": "test Spearman"}

if __name__ == "__main__":
    Work("text_embedding", "similarity", "pairs", 1.6, SCORES, 0.868).main(__doc__)
