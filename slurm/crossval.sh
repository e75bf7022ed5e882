#!/bin/bash
#SBATCH --job-name=crossval
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --output=logs/%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@60

# The folds of a benchmark as an array, whose tasks share them. `emospeech benchmark RECIPE … --slurm` submits it, with a
# job that makes the table; by hand, from the project's folder:
#
#     sbatch --array=0-3 slurm/crossval.sh RECIPE [key=value…] [--quick]
#
# Each task takes folds that nobody has in hand, and leaves when there are no more; what a task leaves undone, being ended
# or out of time, another does, or the same command submitted again. A task has a process for each of its cores, or on a
# GPU (`--gpus=1`) one (benchmark.workers=… for others). `emospeech benchmark RECIPE … --collect` makes the table.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

names_recipe "$@" || fail "no recipe is named; sbatch --array=0-3 slurm/crossval.sh RECIPE [key=value…]"
share benchmark "$1" -- "${@:2}"
