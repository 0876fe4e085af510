/* SPDX-License-Identifier: MIT */
/*
 * wdm/interlocked.h - Interlocked*, Read*Acquire, Write*Release, lists. Part of wdm.h.
 *
 * Interlocked routines are full barriers, so they are __ATOMIC_SEQ_CST here. Increment, Decrement
 * give the new value; Exchange, ExchangeAdd, CompareExchange, And, Or, Xor the old one.
 * Pages: Introduction to ExInterlocked and Interlocked routines, wdm.h InitializeListHead ...
 */
#ifndef WDM_INTERLOCKED_H
#define WDM_INTERLOCKED_H

#include <ntdef.h>

/* A driver compiled for the lab lets others run around each of these (nt/verify/scheduler.h); else it costs nothing. */
#ifdef NT_LAB
void nt_interlocked_point(void);
void nt_schedule_yield(void);
#define NT_ATOMIC(type, expression)                                                                                    \
    nt_interlocked_point();                                                                                            \
    type value_ = (expression);                                                                                        \
    nt_interlocked_point();                                                                                            \
    return value_
#define NT_ATOMIC_STORE(statement)                                                                                     \
    nt_interlocked_point();                                                                                            \
    statement;                                                                                                         \
    nt_interlocked_point()
#else
#define NT_ATOMIC(type, expression) return (expression)
#define NT_ATOMIC_STORE(statement)  statement
#endif

#define NT_INTERLOCKED_FAMILY(suffix, type)                                                                            \
    FORCEINLINE type InterlockedIncrement##suffix(type volatile *target)                                               \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_add_fetch(target, 1, __ATOMIC_SEQ_CST));                                              \
    }                                                                                                                  \
    FORCEINLINE type InterlockedDecrement##suffix(type volatile *target)                                               \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_sub_fetch(target, 1, __ATOMIC_SEQ_CST));                                              \
    }                                                                                                                  \
    FORCEINLINE type InterlockedExchange##suffix(type volatile *target, type value)                                    \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST));                                         \
    }                                                                                                                  \
    FORCEINLINE type InterlockedExchangeAdd##suffix(type volatile *target, type value)                                 \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_fetch_add(target, value, __ATOMIC_SEQ_CST));                                          \
    }                                                                                                                  \
    FORCEINLINE type InterlockedAdd##suffix(type volatile *target, type value)                                         \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_add_fetch(target, value, __ATOMIC_SEQ_CST));                                          \
    }                                                                                                                  \
    FORCEINLINE type InterlockedCompareExchange##suffix(type volatile *target, type value, type comparand)             \
    {                                                                                                                  \
        NT_ATOMIC(type,                                                                                                \
                  (__atomic_compare_exchange_n(target, &comparand, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST),      \
                   comparand));                                                                                        \
    }                                                                                                                  \
    FORCEINLINE type InterlockedAnd##suffix(type volatile *target, type value)                                         \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_fetch_and(target, value, __ATOMIC_SEQ_CST));                                          \
    }                                                                                                                  \
    FORCEINLINE type InterlockedOr##suffix(type volatile *target, type value)                                          \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_fetch_or(target, value, __ATOMIC_SEQ_CST));                                           \
    }                                                                                                                  \
    FORCEINLINE type InterlockedXor##suffix(type volatile *target, type value)                                         \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_fetch_xor(target, value, __ATOMIC_SEQ_CST));                                          \
    }
NT_INTERLOCKED_FAMILY(, LONG)
NT_INTERLOCKED_FAMILY(64, LONG64)
NT_INTERLOCKED_FAMILY(16, SHORT)
#undef NT_INTERLOCKED_FAMILY

FORCEINLINE PVOID nt_exchange_pointer(PVOID volatile *target, PVOID value)
{
    NT_ATOMIC(PVOID, __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST));
}

FORCEINLINE PVOID nt_compare_exchange_pointer(PVOID volatile *target, PVOID value, PVOID comparand)
{
    NT_ATOMIC(PVOID, (__atomic_compare_exchange_n(target, &comparand, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST),
                      comparand));
}

#define InterlockedExchangePointer(target, value)                                                                      \
    nt_exchange_pointer((PVOID volatile *)(target), (PVOID)(ULONG_PTR)(value))
#define InterlockedCompareExchangePointer(target, value, comparand)                                                    \
    nt_compare_exchange_pointer((PVOID volatile *)(target), (PVOID)(ULONG_PTR)(value), (PVOID)(ULONG_PTR)(comparand))

#define InterlockedIncrementAcquire       InterlockedIncrement
#define InterlockedDecrementRelease       InterlockedDecrement
#define InterlockedCompareExchangeAcquire InterlockedCompareExchange
#define InterlockedCompareExchangeRelease InterlockedCompareExchange
#define InterlockedIncrementNoFence       InterlockedIncrement
#define InterlockedDecrementNoFence       InterlockedDecrement
#define InterlockedAddNoFence64           InterlockedAdd64
#define InterlockedIncrementNoFence64     InterlockedIncrement64

#define NT_READ_WRITE_FAMILY(name, type)                                                                               \
    FORCEINLINE type Read##name##Acquire(type const volatile *source)                                                  \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_load_n(source, __ATOMIC_ACQUIRE));                                                    \
    }                                                                                                                  \
    FORCEINLINE type Read##name##NoFence(type const volatile *source)                                                  \
    {                                                                                                                  \
        NT_ATOMIC(type, __atomic_load_n(source, __ATOMIC_RELAXED));                                                    \
    }                                                                                                                  \
    FORCEINLINE VOID Write##name##Release(type volatile *target, type value)                                           \
    {                                                                                                                  \
        NT_ATOMIC_STORE(__atomic_store_n(target, value, __ATOMIC_RELEASE));                                            \
    }                                                                                                                  \
    FORCEINLINE VOID Write##name##NoFence(type volatile *target, type value)                                           \
    {                                                                                                                  \
        NT_ATOMIC_STORE(__atomic_store_n(target, value, __ATOMIC_RELAXED));                                            \
    }
NT_READ_WRITE_FAMILY(, LONG)
NT_READ_WRITE_FAMILY(64, LONG64)
NT_READ_WRITE_FAMILY(ULong, ULONG)
NT_READ_WRITE_FAMILY(ULong64, ULONG64)
NT_READ_WRITE_FAMILY(UShort, USHORT)
NT_READ_WRITE_FAMILY(UChar, UCHAR)
NT_READ_WRITE_FAMILY(Boolean, BOOLEAN)
NT_READ_WRITE_FAMILY(Pointer, PVOID)
#undef NT_READ_WRITE_FAMILY

#define KeMemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define MemoryBarrier()   __atomic_thread_fence(__ATOMIC_SEQ_CST)
#ifdef NT_LAB
#define YieldProcessor() nt_schedule_yield()
#else
#define YieldProcessor() __builtin_ia32_pause()
#endif

FORCEINLINE VOID InitializeListHead(PLIST_ENTRY head)
{
    head->Flink = head->Blink = head;
}

FORCEINLINE BOOLEAN IsListEmpty(const LIST_ENTRY *head)
{
    return head->Flink == head;
}

/* TRUE: the list is empty now. */
FORCEINLINE BOOLEAN RemoveEntryList(PLIST_ENTRY entry)
{
    PLIST_ENTRY next = entry->Flink;
    PLIST_ENTRY previous = entry->Blink;
    previous->Flink = next;
    next->Blink = previous;
    return next == previous;
}

FORCEINLINE PLIST_ENTRY RemoveHeadList(PLIST_ENTRY head)
{
    PLIST_ENTRY entry = head->Flink;
    RemoveEntryList(entry);
    return entry;
}

FORCEINLINE PLIST_ENTRY RemoveTailList(PLIST_ENTRY head)
{
    PLIST_ENTRY entry = head->Blink;
    RemoveEntryList(entry);
    return entry;
}

FORCEINLINE VOID InsertHeadList(PLIST_ENTRY head, PLIST_ENTRY entry)
{
    entry->Flink = head->Flink;
    entry->Blink = head;
    head->Flink->Blink = entry;
    head->Flink = entry;
}

FORCEINLINE VOID InsertTailList(PLIST_ENTRY head, PLIST_ENTRY entry)
{
    entry->Flink = head;
    entry->Blink = head->Blink;
    head->Blink->Flink = entry;
    head->Blink = entry;
}

/* Joins a list without a head of its own (its first entry is given) to the end of head's. */
FORCEINLINE VOID AppendTailList(PLIST_ENTRY head, PLIST_ENTRY list)
{
    PLIST_ENTRY last = head->Blink;
    head->Blink->Flink = list;
    head->Blink = list->Blink;
    list->Blink->Flink = head;
    list->Blink = last;
}

FORCEINLINE VOID PushEntryList(PSINGLE_LIST_ENTRY head, PSINGLE_LIST_ENTRY entry)
{
    entry->Next = head->Next;
    head->Next = entry;
}

FORCEINLINE PSINGLE_LIST_ENTRY PopEntryList(PSINGLE_LIST_ENTRY head)
{
    PSINGLE_LIST_ENTRY first = head->Next;
    if (first != NULL)
        head->Next = first->Next;
    return first;
}

#endif
