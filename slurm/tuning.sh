#!/bin/bash
#SBATCH --job-name=tuning
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --output=logs/%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@60

# The trials of a search as an array, whose tasks share them, round after round. `emospeech tune RECIPE SPACE … --slurm`
# submits it, with a job that tells what was found; by hand, from the project's folder:
#
#     sbatch --array=0-3 slurm/tuning.sh RECIPE SPACE [key=value…] [--nested]
#
# Tasks and their processes are as in slurm/crossval.sh, but a task stays until the last round, as each round is drawn by
# what all before it scored: more tasks than `tune.round` times `tune.folds` find nothing to do. `emospeech tune RECIPE
# SPACE … --collect` tells what was found.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

names_recipe "$@" && names_recipe "${@:2}" ||
    fail "recipe or space is not named; sbatch --array=0-3 slurm/tuning.sh RECIPE SPACE [key=value…]"
share tune "$1" "$2" -- "${@:3}"
