/* SPDX-License-Identifier: MIT */
/*
 * grammar.y - one line of the rule language, for lemon. docs/rules.md says what each matcher means.
 *
 * Lists hold items of any kind; rule.c and set.c say what does not belong into one, with better words than a grammar.
 */
%name policy_grammar
%token_prefix TOKEN_
%token_type {struct token}
%default_type {struct token}
%extra_argument {struct parser *parser}
%stack_size 64
%start_symbol line

%include {
#include <stdlib.h>

#include "policy/parser.h"

/* The generated code has no prototypes of its own. */
void *policy_grammarAlloc(void *(*allocate)(size_t));
void policy_grammarInit(void *engine);
void policy_grammarFinalize(void *engine);
void policy_grammarFree(void *engine, void (*release)(void *));
void policy_grammar(void *engine, int kind, struct token token, struct parser *parser);
int policy_grammarFallback(int kind);
}

%syntax_error {
    syntax_fail(parser, &yyminor);
}
%stack_overflow {
    parser_fail(parser, NULL, "found a line that the parser's stack does not hold");
}

/* What the lexer finds and no rule has: what begins no token, a string without its end, a path without quotes. */
%token STRANGE OPEN PATH.

%nonassoc NO_PORT.
%nonassoc PORT.

line ::= .
line ::= rule.
line ::= SET WORD(N) EQUALS braces. { set_define(parser, &N); }
line ::= SET WORD(N) EQUALS WORD(F) STRING(S). { set_define_file(parser, &N, &F, &S, NULL); }
line ::= SET WORD(N) EQUALS WORD(F) STRING(S) WORD(P). { set_define_file(parser, &N, &F, &S, &P); }
line ::= INCLUDE STRING(S). { parser->include = S; }

rule ::= action matchers. { record_finish(parser); }

action ::= PERMIT(T). { rule_begin(parser, &T, GATEHOUSE_RULE_PERMIT); }
action ::= BLOCK(T). { rule_begin(parser, &T, GATEHOUSE_RULE_BLOCK); }
action ::= ASK(T). { rule_begin(parser, &T, GATEHOUSE_RULE_ASK); }

matchers ::= matcher.
matchers ::= matchers matcher.

matcher ::= ALL(T). { rule_flag(parser, MATCHER_ALL, &T); }
matcher ::= PROGRAM(T) list. { rule_who(parser, MATCHER_PROGRAM, &T); }
matcher ::= USER(T) list. { rule_who(parser, MATCHER_USER, &T); }
matcher ::= GROUP(T) list. { rule_who(parser, MATCHER_GROUP, &T); }
matcher ::= UNIT(T) list. { rule_who(parser, MATCHER_UNIT, &T); }
matcher ::= CGROUP(T) list. { rule_who(parser, MATCHER_CGROUP, &T); }
matcher ::= IN(T). { rule_flag(parser, MATCHER_DIRECTION, &T); }
matcher ::= OUT(T). { rule_flag(parser, MATCHER_DIRECTION, &T); }
matcher ::= PROTO(T) list. { rule_protocols(parser, &T); }
matcher ::= to. [NO_PORT]
matcher ::= to PORT(T) ports. { rule_ports(parser, MATCHER_TO_PORT, &T); }
matcher ::= from. [NO_PORT]
matcher ::= from PORT(T) ports. { rule_ports(parser, MATCHER_FROM_PORT, &T); }
matcher ::= PORT(T) ports. { rule_ports(parser, MATCHER_PORT, &T); }
matcher ::= ICMP_TYPE(T) list. { rule_icmp_types(parser, &T); }
matcher ::= RAW(T). { rule_flag(parser, MATCHER_RAW, &T); }
matcher ::= INET(T). { rule_flag(parser, MATCHER_FAMILY, &T); }
matcher ::= INET6(T). { rule_flag(parser, MATCHER_FAMILY, &T); }
matcher ::= LOG(T). { rule_flag(parser, MATCHER_LOG, &T); }
matcher ::= FOR(T) NUMBER(N) WORD(U). { rule_for(parser, &T, &N, &U); }
matcher ::= UNTIL(T) WORD(W). { rule_until(parser, &T, &W); }

to ::= TO(T) address. { rule_addresses(parser, MATCHER_TO, &T); }
from ::= FROM(T) address. { rule_addresses(parser, MATCHER_FROM, &T); }

address ::= ANY. { parser->any = true; }
address ::= list.
address ::= BANG list. { parser->negated = true; }
ports ::= ANY. { parser->any = true; }
ports ::= list.

list ::= item.
list ::= braces.
braces ::= LBRACE RBRACE.
braces ::= LBRACE items RBRACE.
braces ::= LBRACE items COMMA RBRACE.
items ::= item.
items ::= items item.
items ::= items COMMA item.

item ::= value(A). { value_add_item(parser, &A, NULL, false); }
item ::= value(A) DASH value(B). { value_add_item(parser, &A, &B, false); }
item ::= SHA256 value(A). { value_add_item(parser, &A, NULL, true); }

value(A) ::= WORD(T). { A = T; }
value(A) ::= NUMBER(T). { A = T; }
value(A) ::= ADDRESS(T). { A = T; }
value(A) ::= STRING(T). { A = T; }
value(A) ::= VARIABLE(T). { A = T; }
value(A) ::= HEX(T). { A = T; }
value(A) ::= NAME(T). { A = T; }

%code {
/* As the parser would, on a copy of its states and without actions: default reductions come before the error, so the
   present state alone does not tell. */
bool grammar_fits(void *engine, int kind)
{
    yyParser *parser = engine;
    YYACTIONTYPE states[sizeof(parser->yystack) / sizeof(parser->yystack[0]) + 1];
    long top = parser->yytos - parser->yystack;

    for (long i = 0; i <= top; i++)
        states[i] = parser->yystack[i].stateno;
    for (;;) {
        YYACTIONTYPE action = yy_find_shift_action((YYCODETYPE)kind, states[top]);

        if (action <= YY_MAX_SHIFTREDUCE || action == YY_ACCEPT_ACTION)
            return true;
        if (action < YY_MIN_REDUCE)
            return false;
        action = (YYACTIONTYPE)(action - YY_MIN_REDUCE);
        top += yyRuleInfoNRhs[action];
        states[top + 1] = yy_find_reduce_action(states[top], yyRuleInfoLhs[action]);
        top++;
        if (states[top] == YY_ACCEPT_ACTION)
            return true;
    }
}

void *grammar_new(void)
{
    return policy_grammarAlloc(malloc);
}

void grammar_free(void *engine)
{
    policy_grammarFree(engine, free);
}

void grammar_begin(void *engine)
{
    policy_grammarFinalize(engine);
    policy_grammarInit(engine);
}

void grammar_take(void *engine, struct parser *parser, const struct token *token)
{
    policy_grammar(engine, token->kind, *token, parser);
}
}
