/* SPDX-License-Identifier: MIT */
/*
 * tiny_control.h - what tiny_driver.c and its test agree on. Includes nothing, so that both builds read it.
 */
#ifndef TINY_CONTROL_H
#define TINY_CONTROL_H

#define TINY_CODE(number) (0x00220000u | (0x800u + (number)) << 2)
#define TINY_ECHO         TINY_CODE(0)  /* gives the input back */
#define TINY_PEND         TINY_CODE(1)  /* waits for TINY_COMPLETE or a cancel */
#define TINY_COMPLETE     TINY_CODE(2)  /* completes what waits, with the input */
#define TINY_TIMER        TINY_CODE(3)  /* is completed by a timer's DPC */
#define TINY_WORK         TINY_CODE(4)  /* is completed by a work item */
#define TINY_IRQL         TINY_CODE(5)  /* gives eight IRQLs, see the driver */
#define TINY_STACK        TINY_CODE(6)  /* gives one byte for each thing that holds */
#define TINY_PRINT        TINY_CODE(7)  /* prints through DbgPrintEx */
#define TINY_RELEASE      TINY_CODE(8)  /* completes the connection that the callout pended */
#define TINY_CRASH        TINY_CODE(9)  /* writes to address 0x10 */
#define TINY_THREAD       TINY_CODE(10) /* a system thread runs, ends and is waited for */
#define TINY_FIND         TINY_CODE(11) /* finds and calls a routine by name */
#define TINY_SPOIL        TINY_CODE(12) /* does to pool what the input, a struct tiny_spoil, says */

/* A block of size bytes; if freed, it is given back before. Then a byte at this offset of it is written or read. */
struct tiny_spoil {
    unsigned size;
    int offset;
    unsigned char how;   /* 0 write, 1 read, 2 write through memset of the kernel, 3 free (a second time, if freed) */
    unsigned char freed; /* before it is used */
    unsigned char paged_pool, unused;
};

#define TINY_BUFFER TINY_CODE(13) /* 0: writes a byte behind its system buffer; 1: into it after completion */

#define TINY_CALLOUT_KEY                                                                                               \
    {                                                                                                                  \
        0x7a11ed00u, 0x1111, 0x4222,                                                                                   \
        {                                                                                                              \
            0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66                                                             \
        }                                                                                                              \
    }

#endif
