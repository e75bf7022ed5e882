#!/bin/bash
#SBATCH --job-name=transcribe
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --output=logs/%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@60

# Transcribes a manifest with Whisper, on all GPUs of one node:
#
#     sbatch slurm/transcribe.sh MANIFEST -o OUTPUT [--model large-v3 --language es …]
#
# as after `emospeech transcribe`. What is transcribed is kept: stopped at any point, it goes on where it was.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

launch transcribe "$@"
