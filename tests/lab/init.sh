#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
# The lab's first process: "/" becomes the machine's "/" (read-only), with the lab's tree and what is
# changed laid over it in memory.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/modules/$module"; done </modules/order
shared=trans=virtio,version=9p2000.L,msize=512000,cache=loose
$b mount -t 9p -o "ro,$shared" host /host
$b mount -t 9p -o "ro,$shared" lab /lab
$b mount -t tmpfs -o size=90% tmpfs /changes
$b mkdir /changes/upper /changes/work
$b mount -t overlay -o lowerdir=/lab:/host,upperdir=/changes/upper,workdir=/changes/work overlay /new
for place in dev proc sys; do $b mount -o move "/$place" "/new/$place"; done
$b mount -t tmpfs tmpfs /new/run
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts -o mode=620,ptmxmode=666 devpts /new/dev/pts
$b mount -t tmpfs tmpfs /new/dev/shm
exec $b switch_root /new /opt/lab/start
