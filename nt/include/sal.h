/* SPDX-License-Identifier: MIT */
/*
 * sal.h - source annotations that WDK code carries, all empty here.
 *
 * The build without the WDK has no reader for them; what they say is checked at run time by nt/
 * (IRQL table, lock owners, pool tags), and those of IRQL and locks by `make lint`, which defines
 * NT_LOCK_ANALYSIS: then sal_locks.h gives them as attributes of clang's thread safety analysis. When
 * driver code needs another annotation, add it here, and there if it is about IRQL or locks.
 */
#ifndef SAL_H
#define SAL_H

/* Parameters and results. */
#define _In_
#define _In_opt_
#define _In_z_
#define _In_opt_z_
#define _In_reads_(n)
#define _In_reads_opt_(n)
#define _In_reads_bytes_(n)
#define _In_reads_bytes_opt_(n)
#define _In_range_(low, high)
#define _Inout_
#define _Inout_opt_
#define _Inout_updates_(n)
#define _Inout_updates_bytes_(n)
#define _Inout_updates_bytes_opt_(n)
#define _Out_
#define _Out_opt_
#define _Out_writes_(n)
#define _Out_writes_opt_(n)
#define _Out_writes_bytes_(n)
#define _Out_writes_bytes_opt_(n)
#define _Out_writes_bytes_all_(n)
#define _Out_writes_to_(n, m)
#define _Out_writes_bytes_to_(n, m)
#define _Outptr_
#define _Outptr_opt_
#define _Outptr_result_maybenull_
#define _Outptr_result_nullonfailure_
#define _Out_range_(low, high)
#define _Outptr_result_bytebuffer_(n)
#define _COM_Outptr_
#define _Ret_maybenull_
#define _Ret_notnull_
#define _Ret_range_(low, high)
#define _Field_range_(low, high)
#define _Field_size_(n)
#define _Field_size_opt_(n)
#define _Field_size_bytes_(n)
#define _Field_z_
#define _Null_terminated_
#define _NullNull_terminated_
#define _Printf_format_string_
#define _Reserved_
#define _Const_
#define _Struct_size_bytes_(n)
#define _Deref_out_range_(low, high)
#define _Pre_
#define _Pre_notnull_
#define _Pre_maybenull_
#define _Post_
#define _Post_invalid_
#define _Post_ptr_invalid_
#define _Post_satisfies_(expression)
#define _Post_writable_byte_size_(n)
#define _Pre_satisfies_(expression)
#define _Readable_bytes_(n)
#define _Writable_bytes_(n)

/* Functions and statements. */
#define _Use_decl_annotations_
#define _Must_inspect_result_
#define _Check_return_
#define _Check_return_opt_
#define _Success_(expression)
#define _On_failure_(annotations)
#define _When_(expression, annotations)
#define _At_(target, annotations)
#define _Group_(annotations)
#define _Always_(annotations)
#define _Analysis_assume_(expression) ((void)0)
#define _Analysis_noreturn_
#define _Dispatch_type_(major)
#define _Notliteral_
#define _Points_to_data_
#define _Literal_
#define _Strict_type_match_
#define __callback
#define __analysis_assume(expression) ((void)0)

#ifdef NT_LOCK_ANALYSIS
#include <sal_locks.h>
#else

/* IRQL. */
#define _IRQL_requires_(irql)
#define _IRQL_requires_max_(irql)
#define _IRQL_requires_min_(irql)
#define _IRQL_requires_same_
#define _IRQL_raises_(irql)
#define _IRQL_saves_
#define _IRQL_restores_
#define _IRQL_saves_global_(kind, target)
#define _IRQL_restores_global_(kind, target)
#define _IRQL_always_function_max_(irql)
#define _IRQL_always_function_min_(irql)
#define _IRQL_uses_cancel_
#define _IRQL_is_cancel_
#define _IRQL_requires_max_defined_
#define _Function_class_(name)

/* Locks. */
#define _Requires_lock_held_(lock)
#define _Requires_lock_not_held_(lock)
#define _Requires_no_locks_held_
#define _Requires_exclusive_lock_held_(lock)
#define _Requires_shared_lock_held_(lock)
#define _Acquires_lock_(lock)
#define _Releases_lock_(lock)
#define _Acquires_exclusive_lock_(lock)
#define _Releases_exclusive_lock_(lock)
#define _Acquires_shared_lock_(lock)
#define _Releases_shared_lock_(lock)
#define _Acquires_nonreentrant_lock_(lock)
#define _Releases_nonreentrant_lock_(lock)
#define _Guarded_by_(lock)
#define _Interlocked_
#define _Interlocked_operand_
#define _Write_guarded_by_(lock)
#define _Has_lock_kind_(kind)
#define _Kernel_requires_resource_held_(kind)
#define _Kernel_requires_resource_not_held_(kind)
#define _Kernel_acquires_resource_(kind)
#define _Kernel_releases_resource_(kind)
#define _Kernel_clear_do_init_(answer)
#define _Analysis_assume_lock_acquired_(lock)
#define _Analysis_assume_lock_released_(lock)
#define _Analysis_assume_lock_held_(lock)

/* What an old annotation says of IRQL. */
#define __drv_maxIRQL(irql)
#define __drv_sameIRQL
#define __drv_requiresIRQL(irql)

#endif

/* Memory. */
#define __drv_aliasesMem
#define __drv_freesMem(kind)
#define __drv_allocatesMem(kind)
#define __drv_strictTypeMatch(mode)
#define _Frees_ptr_
#define _Frees_ptr_opt_

#endif
