/* SPDX-License-Identifier: MIT */
/*
 * result.h - how a step of the decider library ended, and the sentence that tells a person.
 *
 * One closed list for the whole library. The values that end the program are its exit codes, so
 * nothing is translated on the way out. A verdict is data and never a result.
 *
 * When you add a value that ends the program, also add its line to cli/help.c.
 */
#ifndef AGENT_RESULT_H
#define AGENT_RESULT_H

enum agent_result {
    AGENT_OK = 0,
    AGENT_USAGE = 1,       /* the command line is wrong */
    AGENT_UNREACHABLE = 2, /* no gatehoused answers */
    AGENT_REFUSED = 3,     /* it answers, and says no */
    AGENT_LOST = 4,        /* the connection ended, went silent, or carried what cannot be read */
    AGENT_INPUT_ENDED = 5, /* ask: nobody can answer any more */
    AGENT_FAILED = 6,      /* this machine failed us: memory, output, terminal */
    AGENT_STOPPED = 100,   /* SIGINT or the like; the program ends with 0 */
    AGENT_TIMEOUT = 101    /* the wait ended before anything came; never leaves the library */
};

/* One sentence without a full stop's newline; valid only when a call did not return AGENT_OK. */
struct problem {
    enum agent_result result;
    char sentence[512];
};

/* Writes the sentence, cut to fit, and returns result. problem may be NULL. */
enum agent_result problem_set(struct problem *problem, enum agent_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
