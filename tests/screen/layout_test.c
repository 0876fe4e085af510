/* SPDX-License-Identifier: MIT */
/*
 * layout_test.c - rows of every size: none wider than the screen, nothing that a terminal acts on, the time right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <locale.h>

#include "screen/layout.h"
#include "screen/width.h"
#include "tests/screen/made_questions.h"

#define COUNT 40u

static struct made_desk desk;
static struct model model;
static struct layout layout;
static struct peer_question questions[COUNT];
static char long_path[5000];
static uint64_t now = 5000 * CLOCK_SECOND;

static int set_up(void **state)
{
    struct model_desk made = {.context = &desk, .answer = made_answer, .undo = made_undo};

    (void)state;
    memset(long_path, 'd', sizeof(long_path) - 1);
    for (unsigned i = 0; i < 4090; i += 64)
        long_path[i] = '/';
    memcpy(long_path + 4090, "/the-end", 9);
    return !model_init(&model, &made);
}

static int tear_down(void **state)
{
    (void)state;
    model_cleanup(&model);
    layout_free(&layout);
    layout = (struct layout){0};
    return 0;
}

static void add_questions(unsigned count)
{
    static const char *const programs[] = {"/usr/bin/curl", long_path,
                                           "/opt/\xE9\x96\x80\xE9\x96\x80/m\xCC\x88"
                                           "ll",
                                           NULL};

    for (unsigned i = 0; i < count; i++) {
        struct peer_question *question = &questions[i];

        *question = made_question(i + 1, programs[i % 4], i % 3 ? "192.0.2.1" : "2001:db8::1", i % 5 * 443,
                                  now + (5 + i) * CLOCK_SECOND);
        question->name = i % 2 ? "a-rather-long-name.of-a-host.example.org" : NULL;
        question->look_alike = i % 7 == 0 ? "looks like paypal.com, but is xn--pypal-4ve.com: it mixes letters" : NULL;
        question->deleted = i % 5 == 0;
        question->inbound = i % 6 == 5;
        question->command = long_path;
        question->package = "curl";
        question->unit = "session-3.scope";
        question->has_before = true;
        question->permitted = i;
        question->last = "2026-11-22T14:00:00Z";
        question->parent_count = PEER_PARENTS_MAX;
        for (unsigned j = 0; j < PEER_PARENTS_MAX; j++)
            question->parents[j] = (struct peer_parent){j + 1, "bash", j % 2 ? "/usr/bin/bash" : NULL};
        model_question(&model, question);
    }
}

static void make(unsigned columns, unsigned rows, bool utf8)
{
    layout.columns = columns;
    layout.rows = rows;
    layout.utf8 = utf8;
    layout_make(&layout, &model, now);
}

static void check_rows(void)
{
    for (unsigned i = 0; i < layout.rows; i++) {
        const char *text = text_string(&layout.row[i].text);

        assert_true(width_of(text) <= layout.columns);
        assert_int_equal(width_of(text), layout.row[i].columns);
        for (; *text != '\0'; text++) {
            assert_true((unsigned char)*text >= 0x20 && *text != 0x7F);
            assert_true(layout.utf8 || (unsigned char)*text < 0x80);
        }
        for (unsigned j = 1; j < layout.row[i].span_count; j++)
            assert_true(layout.row[i].spans[j - 1].start <= layout.row[i].spans[j].start);
    }
}

static bool shows(const char *wanted)
{
    for (unsigned i = 0; i < layout.rows; i++)
        if (strstr(text_string(&layout.row[i].text), wanted) != NULL)
            return true;
    return false;
}

static void test_every_size(void **state)
{
    (void)state;
    add_questions(COUNT);
    for (unsigned columns = 1; columns <= 200; columns += columns < 90 ? 1 : 37)
        for (unsigned rows = 1; rows <= 60; rows += rows < 30 ? 1 : 10)
            for (unsigned view = MODEL_LIST; view <= MODEL_HELP; view++) {
                model.view = (enum model_view)view;
                model.scroll = view * 7;
                model.selected = 1 + (columns + rows) % COUNT;
                make(columns, rows, view % 2 == 0);
                check_rows();
                assert_int_equal(layout.with_question, columns >= LAYOUT_COLUMNS_MIN && rows >= LAYOUT_ROWS_MIN);
            }
}

static void test_80_by_24(void **state)
{
    (void)state;
    make(80, 24, true);
    assert_true(shows("Nothing waits"));
    assert_true(layout.with_question);
    add_questions(2);
    questions[0].name = "example.org";
    make(80, 24, true);
    assert_true(shows("2 connections wait"));
    assert_true(shows("curl connects to example.org"));
    assert_true(shows(" 5 s left"));
    assert_true(shows("its file is gone"));
    assert_true(shows("looks like paypal.com"));
    assert_true(shows("package curl"));
    assert_true(shows("this connection once"));
    assert_true(shows("bash 1 "));
    assert_true(shows("0:06"));
    now += 4 * CLOCK_SECOND;
    make(80, 24, true);
    assert_true(shows(" 1 s left"));
    now += 400 * CLOCK_SECOND;
    make(80, 24, true);
    assert_true(shows(" 0 s left"));
    now -= 404 * CLOCK_SECOND;
    make(40, 10, true);
    assert_true(shows("curl"));
    assert_true(shows("this connection"));
    make(39, 10, true);
    assert_true(shows("Make this window"));
}

/* The whole path can be read: its end stands in the row, all of it in the details. */
static void test_long_path(void **state)
{
    static char seen[8192];
    size_t used = 0;

    (void)state;
    add_questions(2);
    model.selected = 2;
    make(80, 24, true);
    assert_true(shows("the-end"));
    model.view = MODEL_DETAILS;
    model.scroll = 0;
    for (;;) {
        unsigned before = model.scroll;

        make(80, 10, true);
        for (unsigned i = 1; i + 1 < layout.rows; i++) {
            const char *text = text_string(&layout.row[i].text);

            if (before > 0 && i + 2 < layout.rows)
                continue; /* one more line each time */
            if (strlen(text) > 13 && used + strlen(text) < sizeof(seen))
                used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%s", text + 13);
        }
        model.scroll++;
        make(80, 10, true);
        if (model.scroll == before)
            break;
    }
    assert_non_null(strstr(seen, long_path));
}

/* The selected one is always in the list. */
static void test_scrolling(void **state)
{
    (void)state;
    add_questions(COUNT);
    make(80, 24, true);
    for (unsigned i = 0; i < 3 * COUNT; i++) {
        unsigned marks = 0;

        model_press(&model, i < COUNT ? 'j' : i < 2 * COUNT ? 'k' : MODEL_KEY_PAGE_DOWN, now);
        make(80, 24, true);
        for (unsigned row = 1; row < layout.rows; row++)
            marks += layout.row[row].fill == LAYOUT_SELECTED;
        assert_int_equal(marks, 1);
    }
    assert_int_equal(model.selected, COUNT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_every_size),
        TEST(test_80_by_24),
        TEST(test_long_path),
        TEST(test_scrolling),
    };

    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
