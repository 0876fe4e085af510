/* SPDX-License-Identifier: MIT */
/*
 * policy_fixture.c - see policy_fixture.h.
 */
#include "policy_fixture.h"

#include <fnmatch.h>

#include "policy/sids.h"

static bool read_file(void *context, const char *path, size_t limit, char **bytes, size_t *size, const char **why)
{
    const struct fixture *fixture = context;

    for (unsigned i = 0; i < fixture->file_count; i++) {
        const struct fixture_file *file = &fixture->files[i];

        if (strcmp(file->name, path) != 0)
            continue;
        *why = file->text == NULL ? "it may not be read" : "it is too large";
        if (file->text == NULL || file->size > limit)
            return false;
        *bytes = malloc(file->size + 1);
        assert_non_null(*bytes);
        memcpy(*bytes, file->text, file->size);
        *size = file->size;
        return true;
    }
    *why = "it is not there";
    return false;
}

static int compare(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static bool list_files(void *context, const char *pattern, char ***paths, size_t *count, const char **why)
{
    const struct fixture *fixture = context;

    (void)why;
    *paths = calloc(FIXTURE_FILES_MAX, sizeof(**paths));
    *count = 0;
    for (unsigned i = 0; i < fixture->file_count; i++) {
        if (fnmatch(pattern, fixture->files[i].name, FNM_PATHNAME) == 0)
            (*paths)[(*count)++] = strdup(fixture->files[i].name);
    }
    qsort(*paths, *count, sizeof(**paths), compare);
    return true;
}

static bool find_sid(void *context, enum policy_who who, const char *name, uint8_t *sid, size_t *size)
{
    uint32_t which = who == POLICY_USER ? SIDS_UNIX_USER : SIDS_UNIX_GROUP;

    (void)context;
    if (who == POLICY_USER && strcmp(name, "root") == 0)
        *size = sid_of_unix(which, 0, sid);
    else if (who == POLICY_USER && strcmp(name, "alice") == 0)
        *size = sid_of_unix(which, 1000, sid);
    else if (who == POLICY_GROUP && strcmp(name, "wheel") == 0)
        *size = sid_of_unix(which, 10, sid);
    else
        return false;
    return true;
}

static const char *find_name(void *context, enum policy_who who, const uint8_t *sid, size_t size)
{
    uint32_t number;

    (void)context;
    if (who == POLICY_USER && sid_is_unix(sid, size, SIDS_UNIX_USER, &number))
        return number == 0 ? "root" : number == 1000 ? "alice" : NULL;
    return who == POLICY_GROUP && sid_is_unix(sid, size, SIDS_UNIX_GROUP, &number) && number == 10 ? "wheel" : NULL;
}

static bool find_program(void *context, const char *path, char *real)
{
    (void)context;
    if (strncmp(path, "/bin", 4) != 0 || (path[4] != '/' && path[4] != '\0'))
        return false;
    snprintf(real, POLICY_PATH_MAX, "/usr%s", path);
    return true;
}

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->system = (struct policy_system){.context = fixture,
                                             .read_file = read_file,
                                             .list_files = list_files,
                                             .find_sid = find_sid,
                                             .find_name = find_name,
                                             .find_program = find_program,
                                             .find_ascii = policy_system_here.find_ascii};
}

void fixture_add(struct fixture *fixture, const char *name, const char *text)
{
    struct fixture_file *file = &fixture->files[fixture->file_count++];

    assert_true(fixture->file_count <= FIXTURE_FILES_MAX);
    snprintf(file->name, sizeof(file->name), "%s", name);
    file->text = text;
    file->size = text == NULL ? 0 : strlen(text);
}

char *fixture_errors(const struct policy *policy)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    for (unsigned i = 0; i < policy_error_count(policy); i++) {
        char one[POLICY_ERROR_TEXT_MAX];

        assert_true(policy_error_write(policy_error(policy, i), one, sizeof(one)) < sizeof(one));
        fputs(one, to);
    }
    fclose(to);
    return text;
}

struct policy_image fixture_compile(struct fixture *fixture, const char *text)
{
    struct policy *policy = policy_parse_text("rules", text, strlen(text), &fixture->system);
    struct policy_image image;
    struct rule_image_fault fault;
    char *errors;

    assert_non_null(policy);
    errors = fixture_errors(policy);
    if (policy_failed(policy))
        fprintf(stderr, "%.3000s\n%s", text, errors);
    assert_false(policy_failed(policy));
    free(errors);
    assert_true(policy_compile(policy, NULL, &image));
    if (!rule_image_check(image.bytes, image.size, false, &fault))
        fail_msg("the image is refused: %s at %u, rule %u", fault.reason, fault.offset, fault.rule);
    policy_free(policy);
    return image;
}
