/* SPDX-License-Identifier: MIT */
/*
 * locked.h - says which lock a table is under, for `make lint`; empty everywhere else.
 *
 * The core knows no lock: the caller's is held for every call. CORE_LOCKED(*table) behind a prototype says for which
 * table. Its user says with CORE_LOCKED_BY(lock), in front of the function that gives it the table, which
 * lock that is; so a call without the lock is found (tools/check-locks, which defines these words as clang's
 * attributes). CORE_LOCKABLE stands in the type of such a table, CORE_LOCK_AFTER(lock) in front of a lock that is taken
 * inside another.
 */
#ifndef CORE_LOCKED_H
#define CORE_LOCKED_H

#ifndef CORE_LOCKED
#define CORE_LOCKED(table)
#define CORE_LOCKED_BY(lock)
#define CORE_LOCK_AFTER(lock)
#define CORE_LOCKABLE
#endif

#endif
