#!/usr/bin/env bash
# One `ecg-tune` command on a Ray cluster of its own inside one SLURM allocation. Requeued, it resumes the study.
#
#   sbatch deploy/slurm.sh search STUDY --data DATA --families resnet1d,rnn --trials 200
#   sbatch --nodes=4 --gres=gpu:4 --time=12:00:00 deploy/slurm.sh search STUDY …   # flags of sbatch win over the lines below
#   sbatch deploy/slurm.sh retrain STUDY --top 3 --seeds 3
#
# Submit where the project's environment is active. It, STUDY, DATA and your home lie on file systems that all nodes share: then Python
# (3.11) and Ray are the same on all nodes. Ray refuses a node with another Ray or Python (a module loaded there), down to the patch level.
# Three minutes before the time limit the search is stopped as by Ctrl-C, and the job requeued. A preempted job is requeued by SLURM itself.
# After `scancel`, a crash or a larger --trials: the same sbatch line resumes the study.
# Exit codes are those of the command. What Ray's own processes say is shown when the first node fails to start.
#SBATCH --job-name=ecg-tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gres=gpu:1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@180
#SBATCH --open-mode=append
#SBATCH --output=ecg-tune-%j.log
set -euo pipefail

die() {
  echo "slurm.sh: $*" >&2
  exit 2
}
(($# > 0)) || die "no command given: sbatch deploy/slurm.sh search STUDY --data DATA …"
[[ -n ${SLURM_JOB_ID:-} ]] || die "not inside a SLURM job: start it with sbatch"
for tool in ecg-tune ray python srun scontrol; do
  command -v "$tool" >/dev/null || die "$tool is not on PATH: activate the project's environment, then sbatch"
done

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
cpus=${SLURM_CPUS_PER_TASK:-1} # Ray would count the machine's, not the job's; it does see the job's GPUs
gres=${SLURM_GPUS_ON_NODE:+gpu:$SLURM_GPUS_ON_NODE}
scratch=/tmp/ecg-tune-$SLURM_JOB_ID # and the node's number, on its own disk; short, for sockets lie in it
private=$HOME/.ray/slurm-$SLURM_JOB_ID
steps=() driver='' stopped='' patience=0

# The job's own token: in a file that only its user reads; its path, not itself, goes into the environment.
rm -rf "$private"
mkdir -p "$HOME/.ray"
mkdir -m 700 "$private"
(umask 077 && python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$private/auth_token")
unset RAY_AUTH_TOKEN # it would win over the file
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$private/auth_token
export RAY_USAGE_STATS_ENABLED=0 RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=8 PYTHONUNBUFFERED=1
# A node that is gone is noticed after three misses, in about 15 seconds; the same values in cluster.yaml.
export RAY_health_check_period_ms=2000 RAY_health_check_timeout_ms=3000 RAY_health_check_failure_threshold=3
export RAY_grpc_client_keepalive_time_ms=20000 RAY_grpc_client_keepalive_timeout_ms=10000 RAY_gcs_rpc_server_reconnect_timeout_s=20

# What runs on a node: Ray, in a folder that it opens to everybody and that lies in one that isn't; gone when Ray has ended.
# shellcheck disable=SC2016 # the node's shell expands it
step='rm -rf "$0" && mkdir -m 700 "$0" || exit
ray start --block --temp-dir="$0/ray" "$@" & ray=$!
trap "kill -TERM $ray" TERM
wait $ray || wait $ray # a signal ends the first
rm -rf "$0"'

# Start Ray on the node of that number. Port 0 lets the kernel choose, so that jobs that share a node don't collide.
start_ray() {
  local node=$1
  shift
  srun --nodes=1 --ntasks=1 --nodelist="${nodes[node]}" --cpus-per-task="$cpus" ${gres:+--gres="$gres"} --overlap --export=ALL \
    bash -c "$step" "$scratch.$node" --num-cpus="$cpus" --min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0 "$@" \
    >"$private/node-$node.log" 2>&1 &
  steps+=("$!")
}

# shellcheck disable=SC2317,SC2329 # called by the traps
stop() {
  stopped=$1 patience=$2
  echo "slurm.sh: SIG$1, the search is stopped; its study keeps all epochs that were reported"
  [[ -z $driver ]] || kill -TERM "$driver" 2>/dev/null || true
}

clean_up() {
  trap - EXIT
  ((${#steps[@]} == 0)) || kill -TERM "${steps[@]}" 2>/dev/null || true
  wait
  rm -rf "$private"
}
trap clean_up EXIT
trap 'stop USR1 120' USR1
trap 'stop TERM 15' TERM # cancelled or preempted: SLURM has told Ray to end, too, and kills all in 30 seconds

# The batch script runs on the first node. These two ports can't be 0: take ones that are free now.
read -r ip _ < <(hostname -I) || true
read -r dashboard client < <(python -c '
import socket
ports = [socket.socket() for _ in range(2)]
for port in ports:
    port.bind(("", 0))
print(*(port.getsockname()[1] for port in ports))')
start_ray 0 --head ${ip:+--node-ip-address="$ip"} --port=0 --ray-client-server-port="$client" \
  --dashboard-host=127.0.0.1 --dashboard-port="$dashboard"
until [[ -s $scratch.0/ray/ray_current_cluster || -n $stopped ]]; do
  kill -0 "${steps[0]}" 2>/dev/null || { cat "$private/node-0.log" >&2 && die "Ray did not start on ${nodes[0]}, see above"; }
  sleep 1
done

code=143
if [[ -z $stopped ]]; then
  RAY_ADDRESS=$(<"$scratch.0/ray/ray_current_cluster")
  export RAY_ADDRESS
  for ((node = 1; node < ${#nodes[@]}; node++)); do start_ray "$node" --address="$RAY_ADDRESS"; done # the search takes them as they join
  echo "slurm.sh: Ray at $RAY_ADDRESS for ${#nodes[@]} node(s), its token in $RAY_AUTH_TOKEN_PATH"
  echo "slurm.sh: dashboard: ssh -L 8265:127.0.0.1:$dashboard ${nodes[0]}, then http://127.0.0.1:8265"
  ecg-tune "$@" &
  driver=$!
  code=0
  wait "$driver" || code=$?
  if [[ -n $stopped ]]; then # the signal ended `wait`, not the driver
    while ((patience-- > 0)) && kill -0 "$driver" 2>/dev/null; do sleep 1; done
    kill -KILL "$driver" 2>/dev/null || true
    code=0
    wait "$driver" || code=$?
  fi
fi
clean_up
if [[ $stopped == USR1 && $code != 0 ]]; then
  echo "slurm.sh: requeued, the same command resumes the study"
  scontrol requeue "$SLURM_JOB_ID" || die "job $SLURM_JOB_ID can't be requeued here: sbatch the same line again, it resumes the study"
fi
exit "$code"
