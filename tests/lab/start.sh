#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs the command that the machine was started for, and ends the machine.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
modprobe -a virtio_console virtio_rng zfs tun bridge
/opt/lab/nodes &
ip link set lo up
until [ -c /dev/hvc0 ]; do sleep 0.1; done
stty -F /dev/hvc0 raw
run=/run/lab
mkdir -p "$run"
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap run "$run"
setsid -w sh "$run/command" </dev/null >/dev/hvc0 2>&1
echo $? >"$run/exit"
umount "$run"
sleep 0.1
echo o >/proc/sysrq-trigger
sleep 30
