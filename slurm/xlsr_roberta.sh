#!/bin/bash
#SBATCH --job-name=xlsr_roberta
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --output=logs/%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@120

# Trains a recipe on one node: on all its GPUs, or on its CPU where it has none. From the project's folder:
#
#     sbatch slurm/xlsr_roberta.sh [RECIPE] [key=value…] [--resume | --overwrite]
#
# RECIPE is configs/xlsr_roberta.yaml unless you name another. What your site wants to know comes before the script,
# as in `sbatch --partition=… --account=… --time=12:00:00 slurm/xlsr_roberta.sh`, or from slurm/site.env. For a part of a
# node: `sbatch --oversubscribe --gpus=1 --cpus-per-task=8 --mem=32G slurm/xlsr_roberta.sh`.
# EMOSPEECH_CPU_PROCESSES=4 trains on the CPU, split between so many processes. Two minutes before its time is over, or
# when it is preempted, the job keeps a checkpoint and goes back into the queue. Its exit code is that of
# `emospeech train`.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

recipe=configs/xlsr_roberta.yaml
if names_recipe "$@"; then recipe=$1 && shift; fi
launch train "$recipe" "$@"
