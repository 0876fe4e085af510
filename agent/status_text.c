/* SPDX-License-Identifier: MIT */
/*
 * status_text.c - the sentences of status_text.h, in the order of the numbers. When status.h gains a
 * status, add its sentence here; tests/agent/show_test.c reads the header and fails when one is missing.
 */
#include "agent/status_text.h"
#include "words.h"

#include <stddef.h>

#include <gatehouse/status.h>

struct sentence {
    uint32_t status;
    const char *text;
};

static const struct sentence sentences[] = {
    {STATUS_TEXT_SUCCESS, "done"},
    {0xC0000001u, "the operation failed inside " WORDS_PEER ": " WORDS_LOOK},
    {0xC0000002u, "this " WORDS_PEER " does not have that operation: install both programs from one release"},
    {0xC0000004u, "a structure has the wrong size: install both programs from one release"},
    {0xC0000008u, "the handle is closed already"},
    {0xC000000Du, "a parameter is not valid: install both programs from one release"},
    {0xC0000010u, "this " WORDS_PEER " does not have that operation: install both programs from one release"},
    {0xC0000017u, WORDS_PEER " has no memory left: free some, then try again"},
    {STATUS_TEXT_ACCESS_DENIED, "access denied: " WORDS_ALLOWED},
    {0xC0000023u, "the output buffer is too small: install both programs from one release"},
    {0xC000009Au, WORDS_PEER " has no resources left: free some memory, then try again"},
    {0xC00000CEu, WORDS_PEER " serves as many clients at once as it may: end some of them, then try again"},
    {0xC00000B5u, "the operation took too long inside " WORDS_PEER ": " WORDS_LOOK},
    {0xC00000BBu, "this " WORDS_PEER " does not support that: install both programs from one release"},
    {STATUS_TEXT_CANCELLED, "the operation was cancelled because " WORDS_PEER " stops or closes this client"},
    {0xC0000184u, "the device is in no state for this: start " WORDS_PEER " again"},
    {0xC000020Cu, WORDS_PEER " closed the connection: " WORDS_LOOK},
    {GATEHOUSE_E_SHORT_INPUT, "the call was cut short: install both programs from one release"},
    {GATEHOUSE_E_LONG_INPUT, "the call was too long: install both programs from one release"},
    {GATEHOUSE_E_SHORT_OUTPUT, "the answer does not fit its buffer: install both programs from one release"},
    {GATEHOUSE_E_BAD_VERSION, "it speaks another protocol version: install both programs from one release"},
    {GATEHOUSE_E_NO_HELLO, "the call came before HELLO: install both programs from one release"},
    {GATEHOUSE_E_HELLO_TWICE, "HELLO came twice: install both programs from one release"},
    {GATEHOUSE_E_DECIDER_PRESENT,
     "another program decides already, and only one can: stop that one first ('gatehouse status' names it)"},
    {GATEHOUSE_E_NOT_DECIDER, "only the program that decides may do this: run 'gatehouse permit', 'block' or 'ask'"},
    {GATEHOUSE_E_UNKNOWN_ID, "the connection is no longer held: its program gave up, or its deadline passed"},
    {GATEHOUSE_E_ALREADY_DECIDED, "the connection was decided already by something else"},
    {GATEHOUSE_E_NOT_YOURS, "the connection was not offered to this program"},
    {GATEHOUSE_E_BAD_VERDICT, "the verdict is neither permit nor block: install both programs from one release"},
    {GATEHOUSE_E_BAD_SCOPE, "the answer's scope is not known: install both programs from one release"},
    {GATEHOUSE_E_BAD_LIFETIME, "the answer's lifetime does not fit its scope: install both programs from one release"},
    {GATEHOUSE_E_BAD_COUNT, "the count of decisions is not allowed: install both programs from one release"},
    {GATEHOUSE_E_BAD_SETTING, "a setting is out of its range: see 'gatehouse policy --help'"},
    {GATEHOUSE_E_BAD_ROLE, "the role is not known: install both programs from one release"},
    {GATEHOUSE_E_RESERVED, "a reserved field is not zero: install both programs from one release"},
    {GATEHOUSE_E_STOPPING, WORDS_PEER " is stopping"},
    {GATEHOUSE_E_TOO_MANY_READS, "too many reads wait already: install both programs from one release"},
    {GATEHOUSE_E_ANSWERS_FULL, "there is no room to remember one more answer: answer this connection only"},
    {GATEHOUSE_E_UNKNOWN_CODE,
     "this " WORDS_PEER " does not have that operation: install both programs from one release"},
    {GATEHOUSE_E_BAD_RULES, "the rules are damaged or not allowed: install both programs from one release"},
    {GATEHOUSE_E_NO_LOAD, "no load of rules was begun: install both programs from one release"},
    {GATEHOUSE_E_LOAD_BUSY, "another load or change of the rules is under way: try again"},
    {GATEHOUSE_E_UNKNOWN_RULE, "there is no such rule: see 'gatehouse rules list'"},
    {GATEHOUSE_E_RULE_IN_FILE, "the rule stands in the file of rules: take it out there, then 'gatehouse rules load'"},
    {GATEHOUSE_E_RULES_FULL,
     "there is no room for one more added rule, or the sets that rules name have more than 4,000,000 ranges: "
     "remove some ('gatehouse rules list')"},
    {GATEHOUSE_E_RULES_STORE, "the rules could not be stored: " WORDS_STORE},
    {GATEHOUSE_E_RULES_ENGINE, "the filter engine refused the rules: " WORDS_LOOK},
    {GATEHOUSE_E_RULES_LOST,
     "the rules are in force, but the file in which they were stored is gone or was changed, so they cannot be shown: "
     "run 'gatehouse rules load' once more"},
    {GATEHOUSE_E_BAD_NAME, "a learned name or its address is not allowed: install both programs from one release"},
    {GATEHOUSE_E_NO_NAME, "no name is known for this connection: answer for its destination or its port"},
};

const char *status_text(uint32_t status)
{
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (sentences[i].status == status)
            return sentences[i].text;
    }
    return NULL;
}
