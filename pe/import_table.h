/* SPDX-License-Identifier: MIT */
/*
 * import_table.h - the routines that a driver binary may import, with their types.
 *
 * ROUTINE(result, name, (parameters), (arguments)) for those that give something, VOID_ROUTINE(name,
 * (parameters), (arguments)) for the others. imports.c makes a thunk of each row; a row that differs
 * from the routine's prototype does not compile. Included by imports.c alone.
 *
 * PE_POOL: those of ntoskrnl that learn where they are called from (nt/nt.h, special pool).
 * When nt/ or wfp/ gets a routine, add its row here. Variable arguments, data and C routines are in imports.c.
 */
#ifndef PE_IMPORT_TABLE_H
#define PE_IMPORT_TABLE_H

/* clang-format off */
#define PE_NTOSKRNL(ROUTINE, VOID_ROUTINE) \
    ROUTINE(KIRQL, KeGetCurrentIrql, (void), ()) \
    ROUTINE(KIRQL, KfRaiseIrql, (KIRQL a), (a)) \
    VOID_ROUTINE(KfLowerIrql, (KIRQL a), (a)) \
    ROUTINE(KIRQL, KeRaiseIrqlToDpcLevel, (void), ()) \
    ROUTINE(PKTHREAD, KeGetCurrentThread, (void), ()) \
    ROUTINE(ULONG, KeGetCurrentProcessorNumberEx, (PVOID a), (a)) \
    VOID_ROUTINE(KeEnterCriticalRegion, (void), ()) \
    VOID_ROUTINE(KeLeaveCriticalRegion, (void), ()) \
    VOID_ROUTINE(KeInitializeSpinLock, (PKSPIN_LOCK a), (a)) \
    ROUTINE(KIRQL, KeAcquireSpinLockRaiseToDpc, (PKSPIN_LOCK a), (a)) \
    VOID_ROUTINE(KeReleaseSpinLock, (PKSPIN_LOCK a, KIRQL b), (a, b)) \
    VOID_ROUTINE(KeAcquireSpinLockAtDpcLevel, (PKSPIN_LOCK a), (a)) \
    VOID_ROUTINE(KeReleaseSpinLockFromDpcLevel, (PKSPIN_LOCK a), (a)) \
    ROUTINE(BOOLEAN, KeTryToAcquireSpinLockAtDpcLevel, (PKSPIN_LOCK a), (a)) \
    VOID_ROUTINE(KeAcquireInStackQueuedSpinLock, (PKSPIN_LOCK a, PKLOCK_QUEUE_HANDLE b), (a, b)) \
    VOID_ROUTINE(KeReleaseInStackQueuedSpinLock, (PKLOCK_QUEUE_HANDLE a), (a)) \
    VOID_ROUTINE(KeAcquireInStackQueuedSpinLockAtDpcLevel, (PKSPIN_LOCK a, PKLOCK_QUEUE_HANDLE b), (a, b)) \
    VOID_ROUTINE(KeReleaseInStackQueuedSpinLockFromDpcLevel, (PKLOCK_QUEUE_HANDLE a), (a)) \
    VOID_ROUTINE(KeInitializeEvent, (PRKEVENT a, EVENT_TYPE b, BOOLEAN c), (a, b, c)) \
    ROUTINE(LONG, KeSetEvent, (PRKEVENT a, KPRIORITY b, BOOLEAN c), (a, b, c)) \
    VOID_ROUTINE(KeClearEvent, (PRKEVENT a), (a)) \
    ROUTINE(LONG, KeResetEvent, (PRKEVENT a), (a)) \
    ROUTINE(LONG, KeReadStateEvent, (PRKEVENT a), (a)) \
    VOID_ROUTINE(KeInitializeSemaphore, (PRKSEMAPHORE a, LONG b, LONG c), (a, b, c)) \
    ROUTINE(LONG, KeReleaseSemaphore, (PRKSEMAPHORE a, KPRIORITY b, LONG c, BOOLEAN d), (a, b, c, d)) \
    ROUTINE(LONG, KeReadStateSemaphore, (PRKSEMAPHORE a), (a)) \
    ROUTINE(NTSTATUS, KeWaitForSingleObject, (PVOID a, KWAIT_REASON b, KPROCESSOR_MODE c, BOOLEAN d, \
        PLARGE_INTEGER e), (a, b, c, d, e)) \
    ROUTINE(NTSTATUS, KeDelayExecutionThread, (KPROCESSOR_MODE a, BOOLEAN b, PLARGE_INTEGER c), (a, b, c)) \
    VOID_ROUTINE(KeInitializeDpc, (PRKDPC a, PKDEFERRED_ROUTINE b, PVOID c), (a, b, c)) \
    ROUTINE(BOOLEAN, KeInsertQueueDpc, (PRKDPC a, PVOID b, PVOID c), (a, b, c)) \
    ROUTINE(BOOLEAN, KeRemoveQueueDpc, (PRKDPC a), (a)) \
    VOID_ROUTINE(KeSetImportanceDpc, (PRKDPC a, KDPC_IMPORTANCE b), (a, b)) \
    VOID_ROUTINE(KeFlushQueuedDpcs, (void), ()) \
    VOID_ROUTINE(KeInitializeTimer, (PKTIMER a), (a)) \
    VOID_ROUTINE(KeInitializeTimerEx, (PKTIMER a, TIMER_TYPE b), (a, b)) \
    ROUTINE(BOOLEAN, KeSetTimer, (PKTIMER a, LARGE_INTEGER b, PKDPC c), (a, b, c)) \
    ROUTINE(BOOLEAN, KeSetTimerEx, (PKTIMER a, LARGE_INTEGER b, LONG c, PKDPC d), (a, b, c, d)) \
    ROUTINE(BOOLEAN, KeSetCoalescableTimer, (PKTIMER a, LARGE_INTEGER b, ULONG c, ULONG d, PKDPC e), (a, b, c, \
        d, e)) \
    ROUTINE(BOOLEAN, KeCancelTimer, (PKTIMER a), (a)) \
    ROUTINE(BOOLEAN, KeReadStateTimer, (PKTIMER a), (a)) \
    ROUTINE(ULONGLONG, KeQueryInterruptTime, (void), ()) \
    ROUTINE(ULONGLONG, KeQueryInterruptTimePrecise, (PULONG64 a), (a)) \
    ROUTINE(ULONGLONG, KeQueryUnbiasedInterruptTime, (void), ()) \
    VOID_ROUTINE(KeQuerySystemTimePrecise, (PLARGE_INTEGER a), (a)) \
    VOID_ROUTINE(KeQuerySystemTime, (PLARGE_INTEGER a), (a)) \
    ROUTINE(LARGE_INTEGER, KeQueryPerformanceCounter, (PLARGE_INTEGER a), (a)) \
    ROUTINE(ULONG, KeQueryTimeIncrement, (void), ()) \
    VOID_ROUTINE(KeBugCheckEx, (ULONG a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e), (a, b, c, d, e)) \
    VOID_ROUTINE(ExInitializeRundownProtection, (PEX_RUNDOWN_REF a), (a)) \
    VOID_ROUTINE(ExReInitializeRundownProtection, (PEX_RUNDOWN_REF a), (a)) \
    ROUTINE(BOOLEAN, ExAcquireRundownProtection, (PEX_RUNDOWN_REF a), (a)) \
    VOID_ROUTINE(ExReleaseRundownProtection, (PEX_RUNDOWN_REF a), (a)) \
    VOID_ROUTINE(ExWaitForRundownProtectionRelease, (PEX_RUNDOWN_REF a), (a)) \
    VOID_ROUTINE(ExRundownCompleted, (PEX_RUNDOWN_REF a), (a)) \
    VOID_ROUTINE(ExInitializeFastMutex, (PFAST_MUTEX a), (a)) \
    VOID_ROUTINE(ExAcquireFastMutex, (PFAST_MUTEX a), (a)) \
    VOID_ROUTINE(ExReleaseFastMutex, (PFAST_MUTEX a), (a)) \
    ROUTINE(NTSTATUS, ExUuidCreate, (UUID *a), (a)) \
    ROUTINE(NTSTATUS, IoCreateDevice, (PDRIVER_OBJECT a, ULONG b, PUNICODE_STRING c, DEVICE_TYPE d, ULONG e, \
        BOOLEAN f, PDEVICE_OBJECT *g), (a, b, c, d, e, f, g)) \
    ROUTINE(NTSTATUS, WdmlibIoCreateDeviceSecure, (PDRIVER_OBJECT a, ULONG b, PUNICODE_STRING c, DEVICE_TYPE d, \
        ULONG e, BOOLEAN f, PCUNICODE_STRING g, LPCGUID h, PDEVICE_OBJECT *i), (a, b, c, d, e, f, g, h, i)) \
    VOID_ROUTINE(IoDeleteDevice, (PDEVICE_OBJECT a), (a)) \
    ROUTINE(NTSTATUS, IoCreateSymbolicLink, (PUNICODE_STRING a, PUNICODE_STRING b), (a, b)) \
    ROUTINE(NTSTATUS, IoDeleteSymbolicLink, (PUNICODE_STRING a), (a)) \
    VOID_ROUTINE(IofCompleteRequest, (PIRP a, CCHAR b), (a, b)) \
    ROUTINE(BOOLEAN, IoCancelIrp, (PIRP a), (a)) \
    VOID_ROUTINE(IoAcquireCancelSpinLock, (PKIRQL a), (a)) \
    VOID_ROUTINE(IoReleaseCancelSpinLock, (KIRQL a), (a)) \
    ROUTINE(PIO_WORKITEM, IoAllocateWorkItem, (PDEVICE_OBJECT a), (a)) \
    VOID_ROUTINE(IoQueueWorkItem, (PIO_WORKITEM a, PIO_WORKITEM_ROUTINE b, WORK_QUEUE_TYPE c, PVOID d), (a, b, \
        c, d)) \
    VOID_ROUTINE(IoQueueWorkItemEx, (PIO_WORKITEM a, PIO_WORKITEM_ROUTINE_EX b, WORK_QUEUE_TYPE c, PVOID d), \
        (a, b, c, d)) \
    VOID_ROUTINE(IoFreeWorkItem, (PIO_WORKITEM a), (a)) \
    ROUTINE(ULONG, IoGetRequestorProcessId, (PIRP a), (a)) \
    ROUTINE(PEPROCESS, IoGetCurrentProcess, (void), ()) \
    ROUTINE(NTSTATUS, IoCsqInitialize, (PIO_CSQ a, PIO_CSQ_INSERT_IRP b, PIO_CSQ_REMOVE_IRP c, \
        PIO_CSQ_PEEK_NEXT_IRP d, PIO_CSQ_ACQUIRE_LOCK e, PIO_CSQ_RELEASE_LOCK f, \
        PIO_CSQ_COMPLETE_CANCELED_IRP g), (a, b, c, d, e, f, g)) \
    ROUTINE(NTSTATUS, IoCsqInitializeEx, (PIO_CSQ a, PIO_CSQ_INSERT_IRP_EX b, PIO_CSQ_REMOVE_IRP c, \
        PIO_CSQ_PEEK_NEXT_IRP d, PIO_CSQ_ACQUIRE_LOCK e, PIO_CSQ_RELEASE_LOCK f, \
        PIO_CSQ_COMPLETE_CANCELED_IRP g), (a, b, c, d, e, f, g)) \
    VOID_ROUTINE(IoCsqInsertIrp, (PIO_CSQ a, PIRP b, PIO_CSQ_IRP_CONTEXT c), (a, b, c)) \
    ROUTINE(NTSTATUS, IoCsqInsertIrpEx, (PIO_CSQ a, PIRP b, PIO_CSQ_IRP_CONTEXT c, PVOID d), (a, b, c, d)) \
    ROUTINE(PIRP, IoCsqRemoveIrp, (PIO_CSQ a, PIO_CSQ_IRP_CONTEXT b), (a, b)) \
    ROUTINE(PIRP, IoCsqRemoveNextIrp, (PIO_CSQ a, PVOID b), (a, b)) \
    ROUTINE(PEPROCESS, PsGetCurrentProcess, (void), ()) \
    ROUTINE(HANDLE, PsGetCurrentProcessId, (void), ()) \
    ROUTINE(HANDLE, PsGetCurrentThreadId, (void), ()) \
    ROUTINE(HANDLE, PsGetProcessId, (PEPROCESS a), (a)) \
    ROUTINE(LONGLONG, PsGetProcessCreateTimeQuadPart, (PEPROCESS a), (a)) \
    ROUTINE(NTSTATUS, PsCreateSystemThread, (PHANDLE a, ULONG b, POBJECT_ATTRIBUTES c, HANDLE d, PCLIENT_ID e, \
        PKSTART_ROUTINE f, PVOID g), (a, b, c, d, e, f, g)) \
    ROUTINE(NTSTATUS, PsTerminateSystemThread, (NTSTATUS a), (a)) \
    ROUTINE(NTSTATUS, PsSetCreateProcessNotifyRoutine, (PCREATE_PROCESS_NOTIFY_ROUTINE a, BOOLEAN b), (a, b)) \
    ROUTINE(NTSTATUS, PsSetCreateProcessNotifyRoutineEx, (PCREATE_PROCESS_NOTIFY_ROUTINE_EX a, BOOLEAN b), (a, b)) \
    ROUTINE(NTSTATUS, ObReferenceObjectByHandle, (HANDLE a, ACCESS_MASK b, POBJECT_TYPE c, KPROCESSOR_MODE d, \
        PVOID *e, PVOID f), (a, b, c, d, e, f)) \
    ROUTINE(LONG_PTR, ObfReferenceObject, (PVOID a), (a)) \
    ROUTINE(LONG_PTR, ObfDereferenceObject, (PVOID a), (a)) \
    ROUTINE(NTSTATUS, ZwClose, (HANDLE a), (a)) \
    ROUTINE(NTSTATUS, ZwCreateFile, (PHANDLE a, ACCESS_MASK b, POBJECT_ATTRIBUTES c, PIO_STATUS_BLOCK d, \
        PLARGE_INTEGER e, ULONG f, ULONG g, ULONG h, ULONG i, PVOID j, ULONG k), (a, b, c, d, e, f, g, h, i, j, k)) \
    ROUTINE(NTSTATUS, ZwReadFile, (HANDLE a, HANDLE b, PIO_APC_ROUTINE c, PVOID d, PIO_STATUS_BLOCK e, PVOID f, \
        ULONG g, PLARGE_INTEGER h, PULONG i), (a, b, c, d, e, f, g, h, i)) \
    ROUTINE(NTSTATUS, ZwWriteFile, (HANDLE a, HANDLE b, PIO_APC_ROUTINE c, PVOID d, PIO_STATUS_BLOCK e, PVOID f, \
        ULONG g, PLARGE_INTEGER h, PULONG i), (a, b, c, d, e, f, g, h, i)) \
    ROUTINE(NTSTATUS, ZwFlushBuffersFile, (HANDLE a, PIO_STATUS_BLOCK b), (a, b)) \
    ROUTINE(NTSTATUS, ZwSetInformationFile, (HANDLE a, PIO_STATUS_BLOCK b, PVOID c, ULONG d, \
        FILE_INFORMATION_CLASS e), (a, b, c, d, e)) \
    ROUTINE(NTSTATUS, ZwQueryInformationFile, (HANDLE a, PIO_STATUS_BLOCK b, PVOID c, ULONG d, \
        FILE_INFORMATION_CLASS e), (a, b, c, d, e)) \
    ROUTINE(NTSTATUS, ObOpenObjectByPointer, (PVOID a, ULONG b, PVOID c, ACCESS_MASK d, POBJECT_TYPE e, \
        KPROCESSOR_MODE f, PHANDLE g), (a, b, c, d, e, f, g)) \
    ROUTINE(NTSTATUS, ZwSetSecurityObject, (HANDLE a, SECURITY_INFORMATION b, PSECURITY_DESCRIPTOR c), (a, b, c)) \
    ROUTINE(NTSTATUS, RtlCreateAcl, (PACL a, ULONG b, ULONG c), (a, b, c)) \
    ROUTINE(NTSTATUS, RtlAddAccessAllowedAce, (PACL a, ULONG b, ACCESS_MASK c, PSID d), (a, b, c, d)) \
    ROUTINE(NTSTATUS, RtlCreateSecurityDescriptor, (PSECURITY_DESCRIPTOR a, ULONG b), (a, b)) \
    ROUTINE(NTSTATUS, RtlSetDaclSecurityDescriptor, (PSECURITY_DESCRIPTOR a, BOOLEAN b, PACL c, BOOLEAN d), \
        (a, b, c, d)) \
    ROUTINE(NTSTATUS, RtlSetOwnerSecurityDescriptor, (PSECURITY_DESCRIPTOR a, PSID b, BOOLEAN c), (a, b, c)) \
    ROUTINE(NTSTATUS, RtlSetGroupSecurityDescriptor, (PSECURITY_DESCRIPTOR a, PSID b, BOOLEAN c), (a, b, c)) \
    ROUTINE(ULONG, RtlLengthSecurityDescriptor, (PSECURITY_DESCRIPTOR a), (a)) \
    ROUTINE(BOOLEAN, RtlValidSecurityDescriptor, (PSECURITY_DESCRIPTOR a), (a)) \
    ROUTINE(NTSTATUS, RtlAbsoluteToSelfRelativeSD, (PSECURITY_DESCRIPTOR a, PSECURITY_DESCRIPTOR b, PULONG c), \
        (a, b, c)) \
    VOID_ROUTINE(RtlFreeUnicodeString, (PUNICODE_STRING a), (a)) \
    VOID_ROUTINE(RtlInitUnicodeString, (PUNICODE_STRING a, PCWSTR b), (a, b)) \
    VOID_ROUTINE(RtlCopyUnicodeString, (PUNICODE_STRING a, PCUNICODE_STRING b), (a, b)) \
    ROUTINE(NTSTATUS, RtlAppendUnicodeToString, (PUNICODE_STRING a, PCWSTR b), (a, b)) \
    ROUTINE(NTSTATUS, RtlAppendUnicodeStringToString, (PUNICODE_STRING a, PCUNICODE_STRING b), (a, b)) \
    ROUTINE(LONG, RtlCompareUnicodeString, (PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN c), (a, b, c)) \
    ROUTINE(BOOLEAN, RtlEqualUnicodeString, (PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN c), (a, b, c)) \
    ROUTINE(BOOLEAN, RtlValidSid, (PSID a), (a)) \
    ROUTINE(ULONG, RtlLengthSid, (PSID a), (a)) \
    ROUTINE(ULONG, RtlLengthRequiredSid, (ULONG a), (a)) \
    ROUTINE(BOOLEAN, RtlEqualSid, (PSID a, PSID b), (a, b)) \
    ROUTINE(NTSTATUS, RtlCopySid, (ULONG a, PSID b, PSID c), (a, b, c)) \
    ROUTINE(NTSTATUS, RtlInitializeSid, (PSID a, PSID_IDENTIFIER_AUTHORITY b, UCHAR c), (a, b, c)) \
    ROUTINE(PULONG, RtlSubAuthoritySid, (PSID a, ULONG b), (a, b)) \
    ROUTINE(NTSTATUS, RtlQueryRegistryValues, (ULONG a, PCWSTR b, PRTL_QUERY_REGISTRY_TABLE c, PVOID d, \
        PVOID e), (a, b, c, d, e)) \
    ROUTINE(NTSTATUS, RtlCheckRegistryKey, (ULONG a, PWSTR b), (a, b))

#define PE_POOL(ROUTINE, VOID_ROUTINE) \
    ROUTINE(PVOID, ExAllocatePool2, (POOL_FLAGS a, SIZE_T b, ULONG c), (a, b, c)) \
    ROUTINE(PVOID, ExAllocatePoolWithTag, (POOL_TYPE a, SIZE_T b, ULONG c), (a, b, c)) \
    ROUTINE(PVOID, ExAllocatePoolZero, (POOL_TYPE a, SIZE_T b, ULONG c), (a, b, c)) \
    ROUTINE(PVOID, ExAllocatePoolUninitialized, (POOL_TYPE a, SIZE_T b, ULONG c), (a, b, c)) \
    VOID_ROUTINE(ExFreePoolWithTag, (PVOID a, ULONG b), (a, b)) \
    VOID_ROUTINE(ExFreePool, (PVOID a), (a))

#define PE_FWPKCLNT(ROUTINE, VOID_ROUTINE) \
    ROUTINE(NTSTATUS, FwpmCalloutAdd0, (HANDLE a, const FWPM_CALLOUT0 *b, PSECURITY_DESCRIPTOR c, UINT32 *d), \
        (a, b, c, d)) \
    ROUTINE(NTSTATUS, FwpmCalloutDeleteById0, (HANDLE a, UINT32 b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmCalloutDeleteByKey0, (HANDLE a, const GUID *b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmCalloutGetByKey0, (HANDLE a, const GUID *b, FWPM_CALLOUT0 **c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpmEngineClose0, (HANDLE a), (a)) \
    ROUTINE(NTSTATUS, FwpmEngineOpen0, (const wchar_t *a, UINT32 b, void *c, const FWPM_SESSION0 *d, \
        HANDLE *e), (a, b, c, d, e)) \
    ROUTINE(NTSTATUS, FwpmFilterAdd0, (HANDLE a, const FWPM_FILTER0 *b, PSECURITY_DESCRIPTOR c, UINT64 *d), (a, \
        b, c, d)) \
    ROUTINE(NTSTATUS, FwpmFilterCreateEnumHandle0, (HANDLE a, const FWPM_FILTER_ENUM_TEMPLATE0 *b, HANDLE *c), \
        (a, b, c)) \
    ROUTINE(NTSTATUS, FwpmFilterDeleteById0, (HANDLE a, UINT64 b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmFilterDeleteByKey0, (HANDLE a, const GUID *b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmFilterDestroyEnumHandle0, (HANDLE a, HANDLE b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmFilterEnum0, (HANDLE a, HANDLE b, UINT32 c, FWPM_FILTER0 ***d, UINT32 *e), (a, b, c, \
        d, e)) \
    ROUTINE(NTSTATUS, FwpmFilterGetById0, (HANDLE a, UINT64 b, FWPM_FILTER0 **c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpmFilterGetByKey0, (HANDLE a, const GUID *b, FWPM_FILTER0 **c), (a, b, c)) \
    VOID_ROUTINE(FwpmFreeMemory0, (void **a), (a)) \
    ROUTINE(NTSTATUS, FwpmProviderAdd0, (HANDLE a, const FWPM_PROVIDER0 *b, PSECURITY_DESCRIPTOR c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpmProviderDeleteByKey0, (HANDLE a, const GUID *b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmProviderGetByKey0, (HANDLE a, const GUID *b, FWPM_PROVIDER0 **c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpmSubLayerAdd0, (HANDLE a, const FWPM_SUBLAYER0 *b, PSECURITY_DESCRIPTOR c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpmSubLayerDeleteByKey0, (HANDLE a, const GUID *b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmSubLayerGetByKey0, (HANDLE a, const GUID *b, FWPM_SUBLAYER0 **c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpmTransactionAbort0, (HANDLE a), (a)) \
    ROUTINE(NTSTATUS, FwpmTransactionBegin0, (HANDLE a, UINT32 b), (a, b)) \
    ROUTINE(NTSTATUS, FwpmTransactionCommit0, (HANDLE a), (a)) \
    ROUTINE(NTSTATUS, FwpsCalloutRegister0, (void *a, const FWPS_CALLOUT0 *b, UINT32 *c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpsCalloutRegister1, (void *a, const FWPS_CALLOUT1 *b, UINT32 *c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpsCalloutRegister2, (void *a, const FWPS_CALLOUT2 *b, UINT32 *c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpsCalloutRegister3, (void *a, const FWPS_CALLOUT3 *b, UINT32 *c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpsCalloutUnregisterById0, (const UINT32 a), (a)) \
    ROUTINE(NTSTATUS, FwpsCalloutUnregisterByKey0, (const GUID *a), (a)) \
    VOID_ROUTINE(FwpsCompleteOperation0, (HANDLE a, PNET_BUFFER_LIST b), (a, b)) \
    ROUTINE(NTSTATUS, FwpsFlowAbort0, (UINT64 a), (a)) \
    ROUTINE(NTSTATUS, FwpsFlowAssociateContext0, (UINT64 a, UINT16 b, UINT32 c, UINT64 d), (a, b, c, d)) \
    ROUTINE(NTSTATUS, FwpsFlowRemoveContext0, (UINT64 a, UINT16 b, UINT32 c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpsPendOperation0, (HANDLE a, HANDLE *b), (a, b)) \
    ROUTINE(NTSTATUS, FwpsAllocateCloneNetBufferList0, (NET_BUFFER_LIST *a, NDIS_HANDLE b, NDIS_HANDLE c, ULONG d, \
        NET_BUFFER_LIST **e), (a, b, c, d, e)) \
    VOID_ROUTINE(FwpsDereferenceNetBufferList0, (NET_BUFFER_LIST *a, BOOLEAN b), (a, b)) \
    VOID_ROUTINE(FwpsFreeCloneNetBufferList0, (NET_BUFFER_LIST *a, ULONG b), (a, b)) \
    ROUTINE(NTSTATUS, FwpsInjectionHandleCreate0, (ADDRESS_FAMILY a, UINT32 b, HANDLE *c), (a, b, c)) \
    ROUTINE(NTSTATUS, FwpsInjectionHandleDestroy0, (HANDLE a), (a)) \
    ROUTINE(NTSTATUS, FwpsInjectTransportReceiveAsync0, (HANDLE a, HANDLE b, PVOID c, UINT32 d, ADDRESS_FAMILY e, \
        COMPARTMENT_ID f, IF_INDEX g, IF_INDEX h, NET_BUFFER_LIST *i, FWPS_INJECT_COMPLETE0 j, HANDLE k), \
        (a, b, c, d, e, f, g, h, i, j, k)) \
    ROUTINE(FWPS_PACKET_INJECTION_STATE, FwpsQueryPacketInjectionState0, (HANDLE a, const NET_BUFFER_LIST *b, \
        HANDLE *c), (a, b, c)) \
    VOID_ROUTINE(FwpsReferenceNetBufferList0, (NET_BUFFER_LIST *a, BOOLEAN b), (a, b))

#define PE_NDIS(ROUTINE, VOID_ROUTINE) \
    ROUTINE(NDIS_STATUS, NdisRetreatNetBufferDataStart, (PNET_BUFFER a, ULONG b, ULONG c, \
        NET_BUFFER_ALLOCATE_MDL_HANDLER d), (a, b, c, d)) \
    VOID_ROUTINE(NdisAdvanceNetBufferDataStart, (PNET_BUFFER a, ULONG b, BOOLEAN c, NET_BUFFER_FREE_MDL_HANDLER d), \
        (a, b, c, d))

#define PE_FLTMGR(ROUTINE, VOID_ROUTINE) \
    ROUTINE(NTSTATUS, FltRegisterFilter, (PDRIVER_OBJECT a, const FLT_REGISTRATION *b, PFLT_FILTER *c), (a, b, c)) \
    ROUTINE(NTSTATUS, FltStartFiltering, (PFLT_FILTER a), (a)) \
    VOID_ROUTINE(FltUnregisterFilter, (PFLT_FILTER a), (a)) \
    ROUTINE(NTSTATUS, FltBuildDefaultSecurityDescriptor, (PSECURITY_DESCRIPTOR *a, ACCESS_MASK b), (a, b)) \
    VOID_ROUTINE(FltFreeSecurityDescriptor, (PSECURITY_DESCRIPTOR a), (a)) \
    ROUTINE(NTSTATUS, FltCreateCommunicationPort, (PFLT_FILTER a, PFLT_PORT *b, POBJECT_ATTRIBUTES c, PVOID d, \
        PFLT_CONNECT_NOTIFY e, PFLT_DISCONNECT_NOTIFY f, PFLT_MESSAGE_NOTIFY g, LONG h), (a, b, c, d, e, f, g, h)) \
    VOID_ROUTINE(FltCloseCommunicationPort, (PFLT_PORT a), (a)) \
    VOID_ROUTINE(FltCloseClientPort, (PFLT_FILTER a, PFLT_PORT *b), (a, b)) \
    ROUTINE(NTSTATUS, FltSendMessage, (PFLT_FILTER a, PFLT_PORT *b, PVOID c, ULONG d, PVOID e, PULONG f, \
        PLARGE_INTEGER g), (a, b, c, d, e, f, g))

/* clang-format on */
#endif
