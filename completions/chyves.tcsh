# SPDX-License-Identifier: BSD-2-Clause
# source this file in ~/.tcshrc
complete chyves \
    'n/--simulate/d/' \
    'p@1@`echo all defaults global rcboot dataset debug dev firmware help host info iso list network upgrade version; sh -c "chyves -q -H list 2>/dev/null" | cut -f 1; sh -c "chyves -q -H list groups 2>/dev/null" | cut -f 1 | sed s,^,:,`@' \
    'n/console/(reset tmux vnc)/' \
    'n/dataset/(primary)/' \
    'n/delete/(force keepnet)/' \
    'n/disk/(add delete list resize)/' \
    'n/firmware/(delete import list rename)/' \
    'n/get/(all)/' \
    'n/group/(add remove)/' \
    'n/iso/(delete import list rename)/' \
    'n/list/(bridges clones defaults disks firmware global groups iso pools processes properties snapshots tap)/' \
    'n/network/(all import)/' \
    'n/snapshot/(delete list rollback)/' \
    'n/stop/(force)/' \
    'n/upgrade/(check dev master)/' \
    'n@start@`sh -c "chyves -q -H list iso 2>/dev/null" | cut -f 1`@' \
    'p/2/(clone console create delete disk get group log move reclaim reload rename run set snapshot start stop unset upgrade wait)/'
