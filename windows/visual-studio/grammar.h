/* SPDX-License-Identifier: MIT */
/* Made of policy/grammar.y (c35f49d426422f96a81a2eb4ee4040df); tools/visual-studio writes it. */
#ifndef VISUAL_STUDIO_GRAMMAR_H
#define VISUAL_STUDIO_GRAMMAR_H

#define TOKEN_STRANGE   1
#define TOKEN_OPEN      2
#define TOKEN_PATH      3
#define TOKEN_NO_PORT   4
#define TOKEN_PORT      5
#define TOKEN_SET       6
#define TOKEN_WORD      7
#define TOKEN_EQUALS    8
#define TOKEN_STRING    9
#define TOKEN_INCLUDE   10
#define TOKEN_PERMIT    11
#define TOKEN_BLOCK     12
#define TOKEN_ASK       13
#define TOKEN_ALL       14
#define TOKEN_PROGRAM   15
#define TOKEN_USER      16
#define TOKEN_GROUP     17
#define TOKEN_UNIT      18
#define TOKEN_CGROUP    19
#define TOKEN_IN        20
#define TOKEN_OUT       21
#define TOKEN_PROTO     22
#define TOKEN_ICMP_TYPE 23
#define TOKEN_RAW       24
#define TOKEN_INET      25
#define TOKEN_INET6     26
#define TOKEN_LOG       27
#define TOKEN_FOR       28
#define TOKEN_NUMBER    29
#define TOKEN_UNTIL     30
#define TOKEN_TO        31
#define TOKEN_FROM      32
#define TOKEN_ANY       33
#define TOKEN_BANG      34
#define TOKEN_LBRACE    35
#define TOKEN_RBRACE    36
#define TOKEN_COMMA     37
#define TOKEN_DASH      38
#define TOKEN_SHA256    39
#define TOKEN_ADDRESS   40
#define TOKEN_VARIABLE  41
#define TOKEN_HEX       42
#define TOKEN_NAME      43

#endif
