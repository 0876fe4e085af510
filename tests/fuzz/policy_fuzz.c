/* SPDX-License-Identifier: MIT */
/*
 * policy_fuzz.c - a text of rules. What parses compiles to an image that rule_image_check takes; each of its rules
 * prints to a line that parses to a rule of the same id, and prints to itself; what does not parse has an error whose
 * place lies in the text. The text may include itself and read itself as a set.
 */
#include "core/rule_image.h"
#include "policy/diff.h"
#include "policy/policy.h"
#include "policy/print.h"
#include "tests/fuzz/fuzz.h"

#define RULES_LOOKED_AT 64u

struct text {
    const char *bytes;
    size_t size;
};

static bool read_file(void *context, const char *path, size_t limit, char **bytes, size_t *size, const char **why)
{
    const struct text *text = context;

    *why = "it is not there";
    if (path[0] == 'x' || text->size > limit)
        return false;
    *bytes = malloc(text->size + 1);
    fuzz_check(*bytes != NULL);
    memcpy(*bytes, text->bytes, text->size);
    *size = text->size;
    return true;
}

static bool list_files(void *context, const char *pattern, char ***paths, size_t *count, const char **why)
{
    (void)context;
    (void)pattern;
    (void)why;
    *paths = calloc(2, sizeof(**paths));
    fuzz_check(*paths != NULL);
    (*paths)[0] = strdup("a");
    (*paths)[1] = strdup("x");
    *count = 2;
    return true;
}

static void check_errors(const struct policy *policy)
{
    bool failed = false;

    for (unsigned i = 0; i < policy_error_count(policy); i++) {
        const struct policy_error *error = policy_error(policy, i);
        char shown[POLICY_ERROR_TEXT_MAX];

        failed = failed || !error->warning;
        fuzz_check(strlen(error->sentence) > 10 && error->width > 0);
        fuzz_check(error->source == NULL || (error->column > 0 && error->column <= strlen(error->source) + 1));
        fuzz_check(policy_error_write(error, shown, sizeof(shown)) < sizeof(shown));
        for (const char *c = shown; *c != '\0'; c++)
            fuzz_check(*c == '\n' || ((unsigned char)*c >= ' ' && *c != 0x7f));
    }
    fuzz_check(failed == policy_failed(policy));
}

/* All rules as text: they must mean the same again. */
static void check_print(const struct policy_image *image)
{
    const struct gatehouse_rules_image *header = image->bytes;
    const struct gatehouse_rule *rule = rule_image_first_rule(image->bytes);
    struct policy_difference *list = NULL;
    struct policy_image again;
    struct policy_sets sets;
    struct policy *policy;
    char *text = NULL;
    size_t size = 0, count = 0;
    FILE *to = open_memstream(&text, &size);

    fuzz_check(to != NULL && policy_sets_init(&sets, image->bytes));
    for (uint32_t i = 0; i < header->rule_count; i++, rule = rule_image_next_rule(image->bytes, rule)) {
        char *line = policy_print_rule(&sets, rule, NULL);

        fuzz_check(line != NULL && strchr(line, '\n') == NULL);
        fprintf(to, "%s\n", line);
        free(line);
    }
    fclose(to);
    policy = policy_parse_text("printed", text, size, NULL);
    fuzz_check(policy != NULL);
    if (policy_failed(policy))
        fprintf(stderr, "%s:%u %s\n%s", policy_error(policy, 0)->source, policy_error(policy, 0)->column,
                policy_error(policy, 0)->sentence, size < 2000 ? text : "");
    fuzz_check(!policy_failed(policy) && policy_compile(policy, NULL, &again));
    fuzz_check(policy_diff(image->bytes, again.bytes, true, &list, &count));
    fuzz_check(count == 0);
    free(list);
    free(text);
    policy_free(policy);
    policy_sets_cleanup(&sets);
    policy_image_cleanup(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = {(const char *)data, size};
    struct policy_system system = {.context = &text, .read_file = read_file, .list_files = list_files};
    struct policy *policy = policy_parse_text("text", (const char *)data, size, &system);
    struct policy_image image = {0};
    struct rule_image_fault fault;

    fuzz_check(policy != NULL);
    check_errors(policy);
    if (policy_compile(policy, NULL, &image)) {
        fuzz_check(rule_image_check(image.bytes, image.size, false, &fault));
        fuzz_check(((const struct gatehouse_rules_image *)image.bytes)->rule_count == policy_rule_count(policy));
        if (policy_rule_count(policy) <= RULES_LOOKED_AT)
            check_print(&image);
    } else {
        fuzz_check(policy_failed(policy));
    }
    policy_image_cleanup(&image);
    policy_free(policy);
    return 0;
}
