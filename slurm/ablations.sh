#!/bin/bash
#SBATCH --job-name=ablations
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --output=logs/%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@60

# The rows and seeds of a grid as an array, whose tasks share them. `emospeech ablate RECIPE GRID … --slurm` submits it,
# with a job that makes the table; by hand, from the project's folder:
#
#     sbatch --array=0-3 slurm/ablations.sh RECIPE GRID [key=value…]
#
# Tasks and their processes are as in slurm/crossval.sh. `emospeech ablate RECIPE GRID … --collect` makes the table.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

names_recipe "$@" && names_recipe "${@:2}" ||
    fail "recipe or grid is not named; sbatch --array=0-3 slurm/ablations.sh RECIPE GRID [key=value…]"
share ablate "$1" "$2" -- "${@:3}"
