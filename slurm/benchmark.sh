#!/bin/bash
#SBATCH --job-name=benchmark
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --output=logs/%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue

# Runs a benchmark as the tasks of an array, which share its folds. From the project's folder:
#
#     sbatch --array=0-3 slurm/benchmark.sh RECIPE [key=value…] [--quick]
#
# Any number of tasks may work on one benchmark, at once or one after another: each takes folds that nobody has in hand,
# and what a task leaves undone, being ended or out of time, another does, or the same command submitted again. All of
# them print the table once all folds are done. A task has a process for each of its cores (benchmark.workers=… for
# fewer); for folds on a GPU: `sbatch --array=0-3 --gpus=1 slurm/benchmark.sh RECIPE benchmark.workers=1`. What your site
# wants to know comes before the script, as `--partition=… --account=… --time=4:00:00`. A task's exit code is that of
# `emospeech benchmark`.

set -euo pipefail
fail() { echo "slurm/benchmark.sh: $1" >&2; exit 2; }

[ -f slurm/benchmark.sh ] || cd "${SLURM_SUBMIT_DIR:-.}"
[ -f slurm/benchmark.sh ] || fail "$PWD is not the emospeech project; submit from its folder"

# an environment that is active already, else the project's own
command -v emospeech > /dev/null || PATH=$PWD/.venv/bin:$PATH
command -v emospeech > /dev/null || fail "no emospeech in $PWD/.venv and no environment is active; run 'make install'"

case ${1:--} in
    -* | *=*) fail "no recipe is named; sbatch --array=0-3 slurm/benchmark.sh RECIPE [key=value…]" ;;
esac
recipe=$1 && shift
for word in "$@"; do
    [ "$word" != --overwrite ] || fail "--overwrite: a task would empty what others work in; remove the folder first"
done

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # of each process
exec emospeech benchmark "$recipe" "benchmark.workers=${SLURM_CPUS_PER_TASK:-1}" "$@" --resume
