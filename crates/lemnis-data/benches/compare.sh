#!/bin/sh
# Times the data verbs of a program with DVC's command line, so that two programs can be compared:
#   compare.sh TOOL DIR        DIR is made anew and removed; it should lie on a disk, not in memory
#   environment: FILES (10000), FILE_BYTES (4096), SINGLE (300), STAGES (100), BIG_MIB (0: leave the big file out)
# Prints for each measurement its name, seconds passed, seconds of CPU time (user + system), and MiB of memory. Needs
# git and Python 3.
set -eu
tool=$1
work=$2
files=${FILES:-10000} bytes=${FILE_BYTES:-4096} single=${SINGLE:-300} stages=${STAGES:-100} big=${BIG_MIB:-0}
rm -rf "$work"
mkdir -p "$work/home"
trap 'rm -rf "$work"' EXIT
export HOME="$work/home" GIT_CONFIG_NOSYSTEM=1 DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$work/site" SHELL=/bin/sh
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t

cat >"$work/measure.py" <<'PYTHON'
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
wall, cpu = time.perf_counter() - start, used.ru_utime + used.ru_stime
print(f"{sys.argv[1]:42} wall {wall:8.3f}  cpu {cpu:8.3f}  MiB {used.ru_maxrss // 1024:5}", flush=True)
child.returncode = os.waitstatus_to_exitcode(status)
sys.exit(child.returncode)
PYTHON
measure() {
    python3 "$work/measure.py" "$@"
}

repository() {
    mkdir "$work/$1"
    cd "$work/$1"
    git init -q
    $tool init -q >/dev/null
}

configure() {
    printf "[core]\n    remote = r\n[cache]\n    type = \"%s\"\n['remote \"r\"']\n    url = %s\n" "$1" "$work/remote" >.dvc/config
}

repository pipeline
echo a >f.txt
printf 'lr: 0.1\n' >params.yaml
cat >dvc.yaml <<'YAML'
stages:
  one: {cmd: cp f.txt a.txt, deps: [f.txt], outs: [a.txt]}
  two: {cmd: cp a.txt b.txt, deps: [a.txt], params: [lr], outs: [b.txt]}
  three: {cmd: cp b.txt c.txt, deps: [b.txt], outs: [c.txt]}
YAML
measure 'start (--version)' $tool --version
measure 'repro, 3 stages, first run' $tool repro
measure 'repro, 3 stages, nothing to do' $tool repro
measure 'status, 3 stages' $tool status

repository chain
echo x >f0
{
    echo 'stages:'
    for at in $(seq 0 $((stages - 1))); do
        printf '  s%d: {cmd: cp f%d f%d, deps: [f%d], outs: [f%d]}\n' "$at" "$at" $((at + 1)) "$at" $((at + 1))
    done
} >dvc.yaml
$tool repro >/dev/null 2>&1
measure "repro, chain of $stages, nothing to do" $tool repro
measure "status, chain of $stages" $tool status

repository many
python3 - "$files" "$bytes" <<'PYTHON'
import os, random, sys
count, size, source = int(sys.argv[1]), int(sys.argv[2]), random.Random(1)
for at in range(count):
    folder = f"data/{at % 100:02d}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{at:06d}.bin", "wb") as file:
        file.write(source.randbytes(size))
PYTHON
measure "add, $files files, cold" $tool add data
git add -A
git commit -qm 1
measure "add, $files files, none changed" $tool add data
printf x >>data/00/000000.bin
measure "add, $files files, one changed" $tool add data
measure "status, $files files" $tool status
measure "data status, $files files" $tool data status
measure "diff, $files files" $tool diff
rm -rf "$work/site" .dvc/tmp
measure "status, $files files, no known hashes" $tool status
for type in copy hardlink symlink; do
    configure "$type"
    rm -rf data
    measure "checkout, $files files, $type" $tool checkout
done
measure "checkout, $files files, nothing to do" $tool checkout
configure copy
$tool checkout --relink >/dev/null 2>&1
measure "push, $files files, to a folder" $tool push
measure "push, $files files, nothing to do" $tool push
rm -rf .dvc/cache "$work/site"
measure "fetch, $files files, from a folder" $tool fetch

repository single
for at in $(seq "$single"); do echo "$at" >"f$at.txt"; done
measure "add, $single single files" $tool add f*.txt
measure "add, $single single files, none changed" $tool add f*.txt

if [ "$big" -gt 0 ]; then
    repository big
    head -c $((big * 1048576)) /dev/urandom >big.bin
    sync big.bin
    measure "(openssl md5, $big MiB)" sh -c 'cat big.bin | openssl md5'
    measure "(copy to disk, $big MiB)" dd if=big.bin of=copy bs=1M conv=fsync status=none
    rm copy
    measure "add, one file of $big MiB" $tool add big.bin
fi
