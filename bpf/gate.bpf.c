/* SPDX-License-Identifier: MIT */
/*
 * gate.bpf.c - who connects, and what the kernel already knows about it.
 *
 * gate_exec writes down the path of each program that is started in our namespace, as it is then; what
 * was started before, elsewhere or by fork has its path taken at its first connect().
 *
 * The cgroup programs run in the process that calls connect() or sendmsg(). They write down who it
 * is, under the cookie of the socket, before any packet exists; nothing has to be guessed later. They
 * never refuse. They sit at the root of cgroup2 and so run for every namespace of the machine: all
 * but ours leave at the first comparison.
 *
 * The xt programs are called by rules in filter OUTPUT, each in two forms: for lo and for all other devices.
 *   xt_gate  for every packet: one that starts something (an initial SYN, a datagram), not permitted -> our chain
 *   xt_pend  undecided: write down who waits                                                         -> NFQUEUE
 *   neither: decided the other way, or out of time                                                   -> REJECT
 * gate_guard, behind all rules, drops what should have met them and did not.
 *
 * A verdict belongs to (cookie, destination), taken from the packet itself. What the host believes
 * about a packet can therefore not misdirect a verdict: a packet that is sent through the rules again
 * and finds none under its own key is queued again.
 *
 * No program sleeps or holds a lock. The hooks can be preempted, so what they share for each CPU is
 * claimed first. Entries of LRU maps can be recycled under a reader: copies are checked after.
 */
#include "connect.bpf.h"
#include "guard.bpf.h"
#include "release.bpf.h"
#include "rules.bpf.h"

char gate_license[] SEC("license") = "Dual MIT/GPL";
