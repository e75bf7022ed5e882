#!/bin/bash
#SBATCH --job-name=extract
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --output=logs/%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@60

# Computes the features of a recipe's frozen encoders once, for all trainings to come, on all GPUs of one node:
#
#     sbatch slurm/extract.sh RECIPE [key=value…]
#
# What is in the store already is left: stopped at any point, it goes on where it was. The store is $EMOSPEECH_CACHE (or
# cache.folder=…), which slurm/site.env may put on the file system that your site has for such things.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

names_recipe "$@" || fail "no recipe is named; sbatch slurm/extract.sh RECIPE [key=value…]"
launch extract "$@"
