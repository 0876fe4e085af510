/* SPDX-License-Identifier: MIT */
/*
 * grammar_tokens.h - the numbers of the tokens, which lemon writes into grammar.h, beside the parser's own.
 */
#ifndef POLICY_GRAMMAR_TOKENS_H
#define POLICY_GRAMMAR_TOKENS_H

#include "grammar.h"
#include "policy/parser.h"

#endif
