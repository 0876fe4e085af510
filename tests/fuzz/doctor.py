#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""doctor.py ROOT NAME OUT - writes a source file of the project with one planted bug, for the tests of the oracles.

Each row: the bug's name, the file, what stands there once, what stands there instead. meson.build builds the fuzz
target of each with the doctored file in place of the good one; doctored_test.py expects its corpus to find the bug.
"""
import os
import sys

BUGS = {
    # A value equal to the condition's counts as greater.
    'condition-greater': ('wfp/condition.c', 'return compare(value, condition) > 0;',
                          'return compare(value, condition) >= 0;'),
    # The last bits of an IPv6 prefix are not looked at.
    'condition-prefix': ('wfp/condition.c', 'return bits == 0 || (', 'return bits != 9 || ('),
    # A hard answer leaves the right to the next sublayer.
    'engine-right': ('wfp/classify.c', 'walk->rights = hard ? 0 : FWPS_RIGHT_ACTION_WRITE;',
                     'walk->rights = FWPS_RIGHT_ACTION_WRITE;'),
    # An operation whose endpoint was closed is classified and permitted when it is completed.
    'engine-dead': ('wfp/endpoint.c', 'atomic_store(&member->dead, true);', ''),
    # Flows are not asked again when filters changed.
    'engine-again': ('wfp/policy.c', 'atomic_store_explicit(&layer->generation, generation, memory_order_release);', ''),
    # A sublayer with a filter whose deletion was taken back can be deleted.
    'engine-abort': ('wfp/transaction.c', 'link_object(object);\n        refer(object, 1);', 'link_object(object);'),
    # A policy that is refused takes effect.
    'ioctl-refused': ('driver/dispatch.c', '&in);\n    NTSTATUS status = STATUS_SUCCESS;\n    KIRQL irql;\n',
                      '&in);\n    NTSTATUS status = STATUS_SUCCESS;\n    KIRQL irql;\n    driver_state.policy = in;\n'),
    # The reads of a closed handle are kept.
    'ioctl-left': ('driver/dispatch.c', 'client_leave(stack->FileObject->FsContext);', ''),
    # Whatever a decider says, it blocks.
    'ioctl-verdict': ('driver/decisions.c', 'decide(client, decision.id, (enum gatehouse_verdict)decision.verdict)',
                      'decide(client, decision.id, GATEHOUSE_VERDICT_BLOCK)'),
    # A return address that could not be read is used.
    'unwind-read': ('pe/unwind.c', 'if (!nt_walk_read(&u.walk, u.walk.registers[RSP], &u.walk.pc))\n'
                    '            return false;', '(void)nt_walk_read(&u.walk, u.walk.registers[RSP], &u.walk.pc);'),
    # A rule is printed without one of its matchers.
    'policy-round': ('policy/print.c', 'bytes_print(&p.text, rule->family == 4 ? " inet" : " inet6");', ';'),
    # Ranges that touch are not joined.
    'policy-join': ('policy/ranges.c', 'ranges[i].low <= ranges[kept].high + 1)', 'ranges[i].low <= ranges[kept].high)'),
    # The rule that decides is told with another's number.
    'rules-number': ('policy/match.c', '*number = i;', '*number = i + 1;'),
    # A plan is written without one of its lines.
    'scenario-plan': ('lab/plan.c', 'fprintf(to, "#! irql %s\\n", irql_name(plan->irql));', '(void)irql_name;'),
    # The names of programs are not in order.
    'agent-order': ('agent/exceptions.c', 'return one_size < other_size ? -1 : 1;', 'return -1;'),
    # A setting may stand there twice.
    'conf-again': ('host/conf_file.c', 'if (reader->set_in[*setting])', 'if (reader->set_in[*setting] > 9999)'),
    # A comment needs no blank before it.
    'conf-comment': ('host/conf_file.c', 'after == reader->at && after != place', 'after != after'),
    # Whatever a record is about, it is taken for the name that was asked for.
    'dns-chain': ('host/dns_message.c', 'record.class != CLASS_IN || !same_name(&record.owner, name)',
                  'record.class != CLASS_IN'),
    # How long an alias lives does not count.
    'dns-ttl': ('host/dns_message.c', 'if (record.ttl < *ttl)', 'if (record.ttl < *ttl && i > RECORDS)'),
    # An answer goes to another call.
    'server-tag': ('host/device_server.c', 'client_answer(client, header->tag, STATUS_SUCCESS, &status, sizeof(status));',
                   'client_answer(client, header->tag + 1, STATUS_SUCCESS, &status, sizeof(status));'),
}


def main():
    root, name, out = sys.argv[1:]
    path, old, new = BUGS[name]
    with open(os.path.join(root, path), encoding='utf-8') as file:
        text = file.read()
    if text.count(old) != 1:
        sys.exit(f'{path}: what bug "{name}" replaces stands there {text.count(old)} times: mend its row in doctor.py')
    with open(out, 'w', encoding='utf-8') as file:
        file.write(f'#line 1 "{path}"\n' + text.replace(old, new))


if __name__ == '__main__':
    main()
