#!/bin/bash
#SBATCH --job-name=xlsr_roberta
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --output=logs/%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue

# Trains a recipe on one node: on all its GPUs, or on its CPU where it has none. From the project's folder:
#
#     sbatch slurm/xlsr_roberta.sh [RECIPE] [key=value…] [--resume | --overwrite]
#
# RECIPE is configs/xlsr_roberta.yaml unless you name another. What your site wants to know comes before the script,
# as in `sbatch --partition=… --account=… --time=12:00:00 slurm/xlsr_roberta.sh`, or from the environment, as
# SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT. For a part of a node:
# `sbatch --oversubscribe --gpus=1 --cpus-per-task=8 --mem=32G slurm/xlsr_roberta.sh`.
# EMOSPEECH_CPU_PROCESSES=4 splits a CPU node between so many processes. A job that is requeued goes on from its last
# checkpoint. The job's exit code is that of `emospeech train`.

set -euo pipefail
fail() { echo "slurm/xlsr_roberta.sh: $1" >&2; exit 2; }

[ -f slurm/launch.py ] || cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/launch.py ] || fail "$PWD is not the emospeech project; submit from its folder"

# an environment that is active already, else the project's own
command -v emospeech > /dev/null || PATH=$PWD/.venv/bin:$PATH
command -v emospeech > /dev/null || fail "no emospeech in $PWD/.venv and no environment is active; run 'make install'"

recipe=configs/xlsr_roberta.yaml
case ${1:--} in
    -* | *=*) ;;
    *) recipe=$1 && shift ;;
esac
python=$(dirname "$(readlink -f "$(command -v emospeech)")")/python # the one that emospeech is installed for
exec "$python" slurm/launch.py train "$recipe" "$@"
