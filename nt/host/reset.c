/* SPDX-License-Identifier: MIT */
/*
 * reset.c - makes nt/ new again between two runs in one process; see nt_reset in nt/verify/scheduler.h.
 *
 * When you keep something from one call to the next anywhere in nt/, forget it here.
 */
#include "nt/internal.h"
#include "nt/verify/lock_order.h"

#include <stdlib.h>

void nt_reset(void)
{
    if (nt_scheduling)
        abort();
    nt_timers_reset();
    nt_pump_reset();
    nt_work_items_reset();
    nt_devices_reset();
    nt_filters_reset();
    nt_opened_reset();
    nt_process_notify_reset();
    nt_drivers_reset();
    nt_dpcs_reset();
    nt_threads_reset();
    nt_waiters_reset();
    nt_irps_reset();
    nt_pool_reset();
    nt_lock_order_reset();
}
