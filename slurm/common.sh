# What the jobs of this folder share. Each sources it, from the project's folder.

fail() { echo "error: $1" >&2; exit 2; }

if [ -f slurm/site.env ]; then
    set +eu # what a site loads need not be as strict
    . slurm/site.env
    set -eu
fi

# an environment that is active already, else the project's own
command -v emospeech > /dev/null || PATH=$PWD/.venv/bin:$PATH
command -v emospeech > /dev/null ||
    fail "no emospeech in $PWD/.venv and no environment is active; run 'make install', or name yours in slurm/site.env"
python=$(dirname "$(readlink -f "$(command -v emospeech)")")/python # the one that emospeech is installed for

# names_recipe WORD…: whether the first of them is a recipe, rather than an option or a change to one
names_recipe() {
    case ${1:--} in
        -* | *=*) return 1 ;;
    esac
}

# this job, or this task of an array: of one of its tasks, SLURM_JOB_ID is the name of the whole array
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID:-}}
job=${job:-${SLURM_JOB_ID:-}}

# launch COMMAND ARGUMENT…: `emospeech COMMAND ARGUMENT…` in a process for each GPU of the job, on all its nodes
launch() {
    if [ "${SLURM_NNODES:-1}" -gt 1 ]; then
        # this script runs on the first of the nodes: there the others look for it, at a port that is free now
        local first
        first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
        MASTER_ADDR=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\(\S*\).*/\1/p')
        MASTER_PORT=$("$python" -c 'import socket; print(socket.create_server(("", 0)).getsockname()[1])')
        export MASTER_ADDR MASTER_PORT
    fi
    export EMOSPEECH_JOB_GPUS=${SLURM_GPUS_ON_NODE:-0} # for a step that would have fewer
    job_step "$python" slurm/launch.py "$@"
}

# job_step COMMAND…: runs it as a step of this job, once on each node, and ends the script with its exit code. One that
# was told to make room, and has saved its work, goes back into the queue: 138 and 143 are SIGUSR1 and SIGTERM.
job_step() {
    local step=("$@") child code
    if [ -n "$job" ]; then
        # nodes that one leaves end by themselves, each with its reason; srun's own way is to kill them
        step=(srun --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" --ntasks-per-node=1 --export=ALL --cpu-bind=none
            --kill-on-bad-exit=0 --wait=60)
        # a step has the GPUs that were asked for, but not by itself those of a node that its job has alone
        unset SLURM_GPUS_PER_TASK SLURM_NTASKS_PER_GPU
        if [ -n "${SLURM_GPUS_ON_NODE:-}" ] && [ -z "${SLURM_GPUS:-}${SLURM_GPUS_PER_NODE:-}" ]; then
            step+=(--gres="gpu:$SLURM_GPUS_ON_NODE")
        fi
        step+=("$@")
    fi
    "${step[@]}" &
    child=$!
    listen
    until code=0 && { wait "$child" || code=$?; } && ! kill -0 "$child" 2> /dev/null; do :; done
    trap '' USR1 TERM
    code=0
    wait "$child" || code=$? # its own, where a signal has ended the wait
    if [ "$code" = 138 ] || [ "$code" = 143 ]; then requeue "$code"; fi
    exit "$code"
}

# Slurm may tell the step, this script, or both; what this script hears alone, the step is to hear
listen() {
    trap 'pass_on USR1' USR1
    trap 'pass_on TERM' TERM
}

pass_on() {
    trap '' USR1 TERM # Slurm tells all processes of a script, and those that are started here would die of it
    if [ -n "$job" ]; then tell_the_steps "$1"; else kill -s "$1" "$child" 2> /dev/null || true; fi
    listen
}

tell_the_steps() {
    local known
    known=$(standing)
    is_this_start "$known" || return 0
    scancel --signal="$1" "$job" 2> /dev/null || true # reaches the steps alone
    # at the end of its time a job is killed soon, whatever it is at
    if [ "$1" = TERM ] && grep -q 'Reason=TimeLimit' <<< "$known"; then back_into_the_queue; fi
}

# what Slurm knows of this job; a busy controller is asked again. In a trap, `return` alone has the status from before it
standing() {
    local _
    for _ in 1 2 3 4 5; do
        scontrol show job "$job" 2> /dev/null && return 0
        sleep 3
    done
    echo "Slurm does not tell how this job stands" >&2
}

# is_this_start KNOWN: whether what Slurm knows is of this start of the job, not of a later one elsewhere
is_this_start() { grep -q "Restarts=${SLURM_RESTART_COUNT:-0} " <<< "$1"; }

# is_running KNOWN: as a job also does while Slurm delivers a signal to it
is_running() { grep -q -E 'JobState=(RUNNING|SIGNALING)' <<< "$1"; }

# requeue CODE: puts the job back into the queue, if it was Slurm that ended this start of it: its time being over, its
# place being another's, or warned of either by USR1; not if a person has cancelled it, or it is running elsewhere anew
requeue() {
    local known
    [ -n "$job" ] || return 0
    known=$(standing)
    is_this_start "$known" || return 0
    if grep -q -E 'Reason=TimeLimit|PreemptTime=[0-9]' <<< "$known" ||
        { [ "$1" = 138 ] && is_running "$known"; }; then
        back_into_the_queue
    fi
}

back_into_the_queue() {
    if [ "${SLURM_RESTART_COUNT:-0}" -ge "${EMOSPEECH_MAX_REQUEUES:-200}" ]; then
        echo "stopped; not requeued, as this job has been $SLURM_RESTART_COUNT times (EMOSPEECH_MAX_REQUEUES)" >&2
        return 0
    fi
    local told known _
    for _ in 1 2 3 4 5; do
        if told=$(scontrol requeue "$job" 2>&1); then
            echo "back into the queue: it goes on from here" >&2
            return 0
        fi
        known=$(standing)
        # Slurm has done so itself
        if ! is_this_start "$known" || ! is_running "$known"; then return 0; fi
        sleep 3
    done
    echo "stopped; Slurm does not take the job back ($told): submit it again, with --resume" >&2
}

# share WORD… -- CHANGE…: a task's part of `emospeech WORD… CHANGE…`, by a process for each of its cores, or one on a GPU
share() {
    local words=() workers=${SLURM_CPUS_PER_TASK:-1}
    while [ "$1" != -- ]; do words+=("$1") && shift; done
    if [ -n "${SLURM_GPUS_ON_NODE:-}" ]; then workers=1; fi
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((${SLURM_CPUS_PER_TASK:-1} / workers))}
    job_step emospeech "${words[@]}" "benchmark.workers=$workers" "${@:2}" --share
}
