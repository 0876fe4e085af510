/* SPDX-License-Identifier: MIT */
/*
 * status.h - the statuses Gatehouse's own protocol answers with.
 *
 * They are NTSTATUS values: severity "error" (bits 31-30), the customer bit (29), facility 0x047.
 * Windows hands a status with the customer bit to GetLastError() unchanged, so a client sees the
 * same number on both systems. The seed's two IOCTLs answer with the system's own statuses instead.
 *
 * When you add one, also add its sentence in agent/status_text.c and its row in docs/protocol.md.
 */
#ifndef GATEHOUSE_STATUS_H
#define GATEHOUSE_STATUS_H

#define GATEHOUSE_E_SHORT_INPUT     0xE0470001u /* input ends before the structure does */
#define GATEHOUSE_E_LONG_INPUT      0xE0470002u /* input is longer than the structure says */
#define GATEHOUSE_E_SHORT_OUTPUT    0xE0470003u /* output buffer cannot hold one answer */
#define GATEHOUSE_E_BAD_VERSION     0xE0470004u /* protocol version this driver does not speak */
#define GATEHOUSE_E_NO_HELLO        0xE0470005u /* HELLO has to come first */
#define GATEHOUSE_E_HELLO_TWICE     0xE0470006u /* this handle already said HELLO */
#define GATEHOUSE_E_DECIDER_PRESENT 0xE0470007u /* another client decides; one at a time */
#define GATEHOUSE_E_NOT_DECIDER     0xE0470008u /* only the decider may do this */
#define GATEHOUSE_E_UNKNOWN_ID      0xE0470009u /* no such request is held (never was, or is gone) */
#define GATEHOUSE_E_ALREADY_DECIDED 0xE047000Au /* held, but its verdict is already taken */
#define GATEHOUSE_E_NOT_YOURS       0xE047000Bu /* held, but not offered to this client */
#define GATEHOUSE_E_BAD_VERDICT     0xE047000Cu
#define GATEHOUSE_E_BAD_SCOPE       0xE047000Du
#define GATEHOUSE_E_BAD_LIFETIME    0xE047000Eu
#define GATEHOUSE_E_BAD_COUNT       0xE047000Fu
#define GATEHOUSE_E_BAD_SETTING     0xE0470010u
#define GATEHOUSE_E_BAD_ROLE        0xE0470011u
#define GATEHOUSE_E_RESERVED        0xE0470012u /* a reserved field is not zero */
#define GATEHOUSE_E_STOPPING        0xE0470013u /* the driver is unloading */
#define GATEHOUSE_E_TOO_MANY_READS  0xE0470014u /* this handle has too many reads waiting */
#define GATEHOUSE_E_ANSWERS_FULL                                                                                       \
    0xE0470015u /* no room to remember this answer; decided once only if scope is CONNECTION */
#define GATEHOUSE_E_UNKNOWN_CODE 0xE0470016u /* no such operation */
#define GATEHOUSE_E_BAD_RULES    0xE0470017u /* an image of rules that is damaged or not allowed (gatehouse/rules.h) */
#define GATEHOUSE_E_NO_LOAD      0xE0470018u /* RULES_PUT or _COMMIT without RULES_BEGIN on this handle */
#define GATEHOUSE_E_LOAD_BUSY    0xE0470019u /* another load of rules is under way: try again */
#define GATEHOUSE_E_UNKNOWN_RULE 0xE047001Au /* no rule with this id */
#define GATEHOUSE_E_RULE_IN_FILE 0xE047001Bu /* it stands in the file; take it out there and load */
#define GATEHOUSE_E_RULES_FULL   0xE047001Cu /* too many added rules, or no memory for them */
#define GATEHOUSE_E_RULES_STORE  0xE047001Du /* the rules could not be stored, so they were not put into force */
#define GATEHOUSE_E_RULES_ENGINE 0xE047001Eu /* the filter engine refused; nothing changed */
#define GATEHOUSE_E_BAD_NAME     0xE047001Fu /* a name, a path or an address in NAMES_LEARNED is none */
#define GATEHOUSE_E_NO_NAME      0xE0470020u /* scope PROGRAM_NAME, and no name is known for the request */
#define GATEHOUSE_E_RULES_LOST   0xE0470021u /* they are in force, but their stored file is gone or was changed */

#endif
