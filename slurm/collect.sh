#!/bin/bash
#SBATCH --job-name=collect
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --output=logs/%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@60

# Makes the table of what an array has done; `emospeech … --slurm` submits it to run once the array has ended. By hand:
#
#     sbatch --dependency=afterany:ARRAY slurm/collect.sh benchmark RECIPE [key=value…] [--quick]
#     sbatch --dependency=afterany:ARRAY slurm/collect.sh ablate RECIPE GRID [key=value…]
#     sbatch --dependency=afterany:ARRAY slurm/collect.sh tune RECIPE SPACE [key=value…]
#
# Its exit code is 1 if something is missing, which its log names; the table has the rows that are whole.

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/common.sh ] || { echo "error: $PWD is not the emospeech project; submit from its folder" >&2; exit 2; }
. slurm/common.sh

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
job_step emospeech "$@" --collect
