/* SPDX-License-Identifier: MIT */
/*
 * irql_table.h - the IRQLs at which each routine may be called, one row a routine.
 *
 * NT_ROUTINE(name, lowest, highest, page): page names the DDI page (header part of its file name)
 * whose req.irql, with its remarks, the row follows. NT_ENTER(name) in internal.h reads the row;
 * MmGetSystemRoutineAddress finds exactly these names. "Any level" is 0..HIGH_LEVEL.
 *
 * Rows that depend on an argument give the widest range here; the routine narrows it:
 * KeWaitForSingleObject (only a zero timeout at DISPATCH_LEVEL), KeSetEvent and KeReleaseSemaphore
 * (Wait), pool (paged only up to APC_LEVEL), DbgPrint (wide strings at PASSIVE_LEVEL only).
 *
 * Where pages differ: KeReleaseSpinLockFromDpcLevel has DISPATCH_LEVEL, but what it releases may be acquired
 * above, says KeAcquireSpinLockAtDpcLevel. PsGetCurrentProcess has no page; it is another name of IoGetCurrentProcess.
 *
 * When you add a routine: its row here (in NT_FLT_ROUTINES when fltmgr.sys has it), its prototype in nt/include/wdm/,
 * NT_ENTER at its top, and a contract test.
 */
#define NT_ROUTINES(NT_ROUTINE)                                                                                        \
    NT_ROUTINE(KeGetCurrentIrql, 0, 15, "wdm-kegetcurrentirql")                                                        \
    NT_ROUTINE(KfRaiseIrql, 0, 15, "wdm-keraiseirql")                                                                  \
    NT_ROUTINE(KfLowerIrql, 0, 15, "wdm-kelowerirql")                                                                  \
    NT_ROUTINE(KeRaiseIrqlToDpcLevel, 0, 2, "ntddk-keraiseirqltodpclevel")                                             \
    NT_ROUTINE(KeGetCurrentThread, 0, 15, "wdm-kegetcurrentthread")                                                    \
    NT_ROUTINE(KeGetCurrentProcessorNumberEx, 0, 15, "ntddk-kegetcurrentprocessornumberex")                            \
    NT_ROUTINE(KeEnterCriticalRegion, 0, 1, "ntddk-keentercriticalregion")                                             \
    NT_ROUTINE(KeLeaveCriticalRegion, 0, 1, "ntddk-keleavecriticalregion")                                             \
    NT_ROUTINE(KeInitializeSpinLock, 0, 15, "wdm-keinitializespinlock")                                                \
    NT_ROUTINE(KeAcquireSpinLockRaiseToDpc, 0, 2, "wdm-keacquirespinlockraisetodpc")                                   \
    NT_ROUTINE(KeReleaseSpinLock, 2, 2, "wdm-kereleasespinlock")                                                       \
    NT_ROUTINE(KeAcquireSpinLockAtDpcLevel, 2, 15, "wdm-keacquirespinlockatdpclevel")                                  \
    NT_ROUTINE(KeReleaseSpinLockFromDpcLevel, 2, 15, "wdm-kereleasespinlockfromdpclevel")                              \
    NT_ROUTINE(KeTryToAcquireSpinLockAtDpcLevel, 2, 2, "wdm-ketrytoacquirespinlockatdpclevel")                         \
    NT_ROUTINE(KeAcquireInStackQueuedSpinLock, 0, 2, "wdm-keacquireinstackqueuedspinlock")                             \
    NT_ROUTINE(KeReleaseInStackQueuedSpinLock, 2, 2, "wdm-kereleaseinstackqueuedspinlock")                             \
    NT_ROUTINE(KeAcquireInStackQueuedSpinLockAtDpcLevel, 2, 15, "wdm-keacquireinstackqueuedspinlockatdpclevel")        \
    NT_ROUTINE(KeReleaseInStackQueuedSpinLockFromDpcLevel, 2, 15, "wdm-kereleaseinstackqueuedspinlockfromdpclevel")    \
    NT_ROUTINE(KeInitializeEvent, 0, 15, "wdm-keinitializeevent")                                                      \
    NT_ROUTINE(KeSetEvent, 0, 2, "wdm-kesetevent")                                                                     \
    NT_ROUTINE(KeClearEvent, 0, 2, "wdm-keclearevent")                                                                 \
    NT_ROUTINE(KeResetEvent, 0, 2, "wdm-keresetevent")                                                                 \
    NT_ROUTINE(KeReadStateEvent, 0, 2, "wdm-kereadstateevent")                                                         \
    NT_ROUTINE(KeInitializeSemaphore, 0, 0, "wdm-keinitializesemaphore")                                               \
    NT_ROUTINE(KeReleaseSemaphore, 0, 2, "wdm-kereleasesemaphore")                                                     \
    NT_ROUTINE(KeReadStateSemaphore, 0, 15, "wdm-kereadstatesemaphore")                                                \
    NT_ROUTINE(KeWaitForSingleObject, 0, 2, "wdm-kewaitforsingleobject")                                               \
    NT_ROUTINE(KeDelayExecutionThread, 0, 1, "wdm-kedelayexecutionthread")                                             \
    NT_ROUTINE(KeInitializeDpc, 0, 15, "wdm-keinitializedpc")                                                          \
    NT_ROUTINE(KeInsertQueueDpc, 0, 15, "wdm-keinsertqueuedpc")                                                        \
    NT_ROUTINE(KeRemoveQueueDpc, 0, 15, "wdm-keremovequeuedpc")                                                        \
    NT_ROUTINE(KeSetImportanceDpc, 0, 15, "ntddk-kesetimportancedpc")                                                  \
    NT_ROUTINE(KeFlushQueuedDpcs, 0, 0, "wdm-keflushqueueddpcs")                                                       \
    NT_ROUTINE(KeInitializeTimer, 0, 2, "wdm-keinitializetimer")                                                       \
    NT_ROUTINE(KeInitializeTimerEx, 0, 2, "wdm-keinitializetimerex")                                                   \
    NT_ROUTINE(KeSetTimer, 0, 2, "wdm-kesettimer")                                                                     \
    NT_ROUTINE(KeSetTimerEx, 0, 2, "wdm-kesettimerex")                                                                 \
    NT_ROUTINE(KeSetCoalescableTimer, 0, 2, "wdm-kesetcoalescabletimer")                                               \
    NT_ROUTINE(KeCancelTimer, 0, 2, "wdm-kecanceltimer")                                                               \
    NT_ROUTINE(KeReadStateTimer, 0, 2, "wdm-kereadstatetimer")                                                         \
    NT_ROUTINE(KeQueryInterruptTime, 0, 15, "wdm-kequeryinterrupttime")                                                \
    NT_ROUTINE(KeQueryInterruptTimePrecise, 0, 15, "wdm-kequeryinterrupttimeprecise")                                  \
    NT_ROUTINE(KeQueryUnbiasedInterruptTime, 0, 15, "wdm-kequeryunbiasedinterrupttime")                                \
    NT_ROUTINE(KeQuerySystemTimePrecise, 0, 15, "wdm-kequerysystemtimeprecise")                                        \
    NT_ROUTINE(KeQuerySystemTime, 0, 15, "wdm-kequerysystemtime~r1")                                                   \
    NT_ROUTINE(KeQueryPerformanceCounter, 0, 15, "ntifs-kequeryperformancecounter")                                    \
    NT_ROUTINE(KeQueryTimeIncrement, 0, 15, "wdm-kequerytimeincrement")                                                \
    NT_ROUTINE(KeBugCheckEx, 0, 15, "wdm-kebugcheckex")                                                                \
    NT_ROUTINE(ExAllocatePool2, 0, 2, "wdm-exallocatepool2")                                                           \
    NT_ROUTINE(ExAllocatePoolWithTag, 0, 2, "wdm-exallocatepoolwithtag")                                               \
    NT_ROUTINE(ExAllocatePoolZero, 0, 2, "wdm-exallocatepoolzero")                                                     \
    NT_ROUTINE(ExAllocatePoolUninitialized, 0, 2, "wdm-exallocatepooluninitialized")                                   \
    NT_ROUTINE(ExFreePoolWithTag, 0, 2, "wdm-exfreepoolwithtag")                                                       \
    NT_ROUTINE(ExFreePool, 0, 2, "ntddk-exfreepool")                                                                   \
    NT_ROUTINE(ExInitializeRundownProtection, 0, 1, "wdm-exinitializerundownprotection")                               \
    NT_ROUTINE(ExReInitializeRundownProtection, 0, 1, "wdm-exreinitializerundownprotection")                           \
    NT_ROUTINE(ExAcquireRundownProtection, 0, 2, "wdm-exacquirerundownprotection")                                     \
    NT_ROUTINE(ExReleaseRundownProtection, 0, 2, "wdm-exreleaserundownprotection")                                     \
    NT_ROUTINE(ExWaitForRundownProtectionRelease, 0, 1, "wdm-exwaitforrundownprotectionrelease")                       \
    NT_ROUTINE(ExRundownCompleted, 0, 1, "wdm-exrundowncompleted")                                                     \
    NT_ROUTINE(ExInitializeFastMutex, 0, 2, "wdm-exinitializefastmutex")                                               \
    NT_ROUTINE(ExAcquireFastMutex, 0, 1, "wdm-exacquirefastmutex")                                                     \
    NT_ROUTINE(ExReleaseFastMutex, 1, 1, "wdm-exreleasefastmutex")                                                     \
    NT_ROUTINE(ExUuidCreate, 0, 0, "ntddk-exuuidcreate")                                                               \
    NT_ROUTINE(IoCreateDevice, 0, 1, "wdm-iocreatedevice")                                                             \
    NT_ROUTINE(WdmlibIoCreateDeviceSecure, 0, 0, "wdmsec-wdmlibiocreatedevicesecure")                                  \
    NT_ROUTINE(IoDeleteDevice, 0, 1, "wdm-iodeletedevice")                                                             \
    NT_ROUTINE(IoCreateSymbolicLink, 0, 0, "wdm-iocreatesymboliclink")                                                 \
    NT_ROUTINE(IoDeleteSymbolicLink, 0, 0, "wdm-iodeletesymboliclink")                                                 \
    NT_ROUTINE(IofCompleteRequest, 0, 2, "wdm-iocompleterequest")                                                      \
    NT_ROUTINE(IoCancelIrp, 0, 2, "wdm-iocancelirp")                                                                   \
    NT_ROUTINE(IoAcquireCancelSpinLock, 0, 2, "wdm-ioacquirecancelspinlock")                                           \
    NT_ROUTINE(IoReleaseCancelSpinLock, 2, 2, "wdm-ioreleasecancelspinlock")                                           \
    NT_ROUTINE(IoAllocateWorkItem, 0, 2, "wdm-ioallocateworkitem")                                                     \
    NT_ROUTINE(IoQueueWorkItem, 0, 2, "wdm-ioqueueworkitem")                                                           \
    NT_ROUTINE(IoQueueWorkItemEx, 0, 2, "wdm-ioqueueworkitemex")                                                       \
    NT_ROUTINE(IoFreeWorkItem, 0, 2, "wdm-iofreeworkitem")                                                             \
    NT_ROUTINE(IoGetRequestorProcessId, 0, 2, "ntifs-iogetrequestorprocessid")                                         \
    NT_ROUTINE(IoGetCurrentProcess, 0, 15, "wdm-iogetcurrentprocess")                                                  \
    NT_ROUTINE(IoCsqInitialize, 0, 15, "wdm-iocsqinitialize")                                                          \
    NT_ROUTINE(IoCsqInitializeEx, 0, 15, "wdm-iocsqinitializeex")                                                      \
    NT_ROUTINE(IoCsqInsertIrp, 0, 2, "wdm-iocsqinsertirp")                                                             \
    NT_ROUTINE(IoCsqInsertIrpEx, 0, 2, "wdm-iocsqinsertirpex")                                                         \
    NT_ROUTINE(IoCsqRemoveIrp, 0, 2, "wdm-iocsqremoveirp")                                                             \
    NT_ROUTINE(IoCsqRemoveNextIrp, 0, 2, "wdm-iocsqremovenextirp")                                                     \
    NT_ROUTINE(PsGetCurrentProcess, 0, 15, "wdm-iogetcurrentprocess")                                                  \
    NT_ROUTINE(PsGetCurrentProcessId, 0, 15, "ntddk-psgetcurrentprocessid")                                            \
    NT_ROUTINE(PsGetCurrentThreadId, 0, 15, "ntddk-psgetcurrentthreadid")                                              \
    NT_ROUTINE(PsGetProcessId, 0, 15, "ntddk-psgetprocessid")                                                          \
    NT_ROUTINE(PsGetProcessCreateTimeQuadPart, 0, 15, "ntddk-psgetprocesscreatetimequadpart")                          \
    NT_ROUTINE(PsCreateSystemThread, 0, 0, "wdm-pscreatesystemthread")                                                 \
    NT_ROUTINE(PsTerminateSystemThread, 0, 0, "wdm-psterminatesystemthread")                                           \
    NT_ROUTINE(PsSetCreateProcessNotifyRoutine, 0, 0, "ntddk-pssetcreateprocessnotifyroutine")                         \
    NT_ROUTINE(PsSetCreateProcessNotifyRoutineEx, 0, 0, "ntddk-pssetcreateprocessnotifyroutineex")                     \
    NT_ROUTINE(ObReferenceObjectByHandle, 0, 0, "wdm-obreferenceobjectbyhandle")                                       \
    NT_ROUTINE(ObfReferenceObject, 0, 2, "wdm-obfreferenceobject")                                                     \
    NT_ROUTINE(ObfDereferenceObject, 0, 2, "wdm-obdereferenceobject")                                                  \
    NT_ROUTINE(ObOpenObjectByPointer, 0, 1, "ntifs-obopenobjectbypointer")                                             \
    NT_ROUTINE(ZwSetSecurityObject, 0, 0, "ntifs-zwsetsecurityobject")                                                 \
    NT_ROUTINE(RtlCreateAcl, 0, 1, "ntifs-rtlcreateacl")                                                               \
    NT_ROUTINE(RtlAddAccessAllowedAce, 0, 1, "ntifs-rtladdaccessallowedace")                                           \
    NT_ROUTINE(RtlCreateSecurityDescriptor, 0, 0, "wdm-rtlcreatesecuritydescriptor")                                   \
    NT_ROUTINE(RtlSetDaclSecurityDescriptor, 0, 0, "wdm-rtlsetdaclsecuritydescriptor")                                 \
    NT_ROUTINE(RtlSetOwnerSecurityDescriptor, 0, 1, "ntifs-rtlsetownersecuritydescriptor")                             \
    NT_ROUTINE(RtlSetGroupSecurityDescriptor, 0, 1, "ntifs-rtlsetgroupsecuritydescriptor")                             \
    NT_ROUTINE(RtlLengthSecurityDescriptor, 0, 0, "wdm-rtllengthsecuritydescriptor")                                   \
    NT_ROUTINE(RtlValidSecurityDescriptor, 0, 1, "wdm-rtlvalidsecuritydescriptor")                                     \
    NT_ROUTINE(RtlAbsoluteToSelfRelativeSD, 0, 1, "ntifs-rtlabsolutetoselfrelativesd")                                 \
    NT_ROUTINE(ZwCreateFile, 0, 0, "wdm-zwcreatefile")                                                                 \
    NT_ROUTINE(ZwReadFile, 0, 0, "wdm-zwreadfile")                                                                     \
    NT_ROUTINE(ZwWriteFile, 0, 0, "wdm-zwwritefile")                                                                   \
    NT_ROUTINE(ZwFlushBuffersFile, 0, 0, "ntifs-zwflushbuffersfile")                                                   \
    NT_ROUTINE(ZwSetInformationFile, 0, 0, "wdm-zwsetinformationfile")                                                 \
    NT_ROUTINE(ZwQueryInformationFile, 0, 0, "wdm-zwqueryinformationfile")                                             \
    NT_ROUTINE(ZwClose, 0, 0, "wdm-zwclose")                                                                           \
    NT_ROUTINE(RtlInitUnicodeString, 0, 15, "wdm-rtlinitunicodestring")                                                \
    NT_ROUTINE(RtlCopyUnicodeString, 0, 15, "wdm-rtlcopyunicodestring")                                                \
    NT_ROUTINE(RtlFreeUnicodeString, 0, 0, "wdm-rtlfreeunicodestring")                                                 \
    NT_ROUTINE(RtlAppendUnicodeToString, 0, 15, "wdm-rtlappendunicodetostring")                                        \
    NT_ROUTINE(RtlAppendUnicodeStringToString, 0, 15, "wdm-rtlappendunicodestringtostring")                            \
    NT_ROUTINE(RtlCompareUnicodeString, 0, 0, "wdm-rtlcompareunicodestring")                                           \
    NT_ROUTINE(RtlEqualUnicodeString, 0, 0, "wdm-rtlequalunicodestring")                                               \
    NT_ROUTINE(RtlValidSid, 0, 1, "ntifs-rtlvalidsid")                                                                 \
    NT_ROUTINE(RtlLengthSid, 0, 1, "ntifs-rtllengthsid")                                                               \
    NT_ROUTINE(RtlLengthRequiredSid, 0, 1, "ntifs-rtllengthrequiredsid")                                               \
    NT_ROUTINE(RtlEqualSid, 0, 15, "ntifs-rtlequalsid")                                                                \
    NT_ROUTINE(RtlCopySid, 0, 1, "ntifs-rtlcopysid")                                                                   \
    NT_ROUTINE(RtlInitializeSid, 0, 1, "ntifs-rtlinitializesid")                                                       \
    NT_ROUTINE(RtlSubAuthoritySid, 0, 1, "ntifs-rtlsubauthoritysid")                                                   \
    NT_ROUTINE(RtlQueryRegistryValues, 0, 0, "wdm-rtlqueryregistryvalues")                                             \
    NT_ROUTINE(RtlCheckRegistryKey, 0, 0, "wdm-rtlcheckregistrykey")                                                   \
    NT_ROUTINE(DbgPrint, 0, 15, "wdm-dbgprint")                                                                        \
    NT_ROUTINE(DbgPrintEx, 0, 15, "wdm-dbgprintex")                                                                    \
    NT_ROUTINE(MmGetSystemRoutineAddress, 0, 0, "wdm-mmgetsystemroutineaddress")

/* Those of the filter manager, fltmgr.sys, which MmGetSystemRoutineAddress does not find. */
#define NT_FLT_ROUTINES(NT_ROUTINE)                                                                                    \
    NT_ROUTINE(FltRegisterFilter, 0, 1, "fltkernel-fltregisterfilter")                                                 \
    NT_ROUTINE(FltStartFiltering, 0, 1, "fltkernel-fltstartfiltering")                                                 \
    NT_ROUTINE(FltUnregisterFilter, 0, 1, "fltkernel-fltunregisterfilter")                                             \
    NT_ROUTINE(FltBuildDefaultSecurityDescriptor, 0, 1, "fltkernel-fltbuilddefaultsecuritydescriptor")                 \
    NT_ROUTINE(FltFreeSecurityDescriptor, 0, 1, "fltkernel-fltfreesecuritydescriptor")                                 \
    NT_ROUTINE(FltCreateCommunicationPort, 0, 0, "fltkernel-fltcreatecommunicationport")                               \
    NT_ROUTINE(FltCloseCommunicationPort, 0, 0, "fltkernel-fltclosecommunicationport")                                 \
    NT_ROUTINE(FltCloseClientPort, 0, 0, "fltkernel-fltcloseclientport")                                               \
    NT_ROUTINE(FltSendMessage, 0, 1, "fltkernel-fltsendmessage")
