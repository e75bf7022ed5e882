#!/bin/bash
#SBATCH --job-name=multinode
#SBATCH --nodes=2
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --output=logs/%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@120

# Trains a recipe on several nodes at once, on all their GPUs, or on their CPUs where they have none:
#
#     sbatch --nodes=4 slurm/multinode.sh RECIPE [key=value…] [--resume | --overwrite]
#
# train.batch_size is divided among all processes: a step is the same on one GPU as on thirty-two. Everything else is as
# in slurm/xlsr_roberta.sh. The project's folder, with its data and runs, must be the same one on all nodes.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

names_recipe "$@" || fail "no recipe is named; sbatch --nodes=4 slurm/multinode.sh RECIPE [key=value…]"
launch train "$@"
