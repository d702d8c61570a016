#!/bin/sh
# Takes one example from its data to predictions, and says where everything lies. `make demo` calls it.
#   BIN=.venv/bin sh examples/demo.sh support-desk
set -eu
cd "$(dirname "$0")/.."
example=examples/$1
dianji=$BIN/dianji

if [ ! -e "$example/data/new.txt" ]; then
  echo "Writing the example's data to $example/data"
  "$BIN/python" "$example/generate.py"
fi

echo "\$ dianji run $example/recipe.yaml"
"$dianji" run "$example/recipe.yaml"

# A second run finds every step done and only says where the results lie.
artefact=$("$dianji" run "$example/recipe.yaml" --json |
  "$BIN/python" -c 'import json, sys; print(json.load(sys.stdin)["stages"][-1]["artefact"])')
artefact=${artefact#"$(pwd -P)/"}

echo
echo "\$ dianji predict ARTEFACT $example/data/new.txt"
"$dianji" predict "$artefact" "$example/data/new.txt"

cat <<END

Where everything lies
  recipe     $example/recipe.yaml
  data       $example/data
  model      $artefact
             (a Hugging Face folder: weights, tokenizer, model card, evidence/, dianji.json)

What to try next
  $dianji show $artefact
  $dianji verify $artefact
  $dianji report $artefact
  $dianji predict $artefact --text "..."
  change a line of the recipe and run it again: only what the change touches is run
    $dianji run $example/recipe.yaml
  your own table:
    $dianji init my-table.csv
END
