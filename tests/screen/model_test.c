/* SPDX-License-Identifier: MIT */
/*
 * model_test.c - keys and questions in, answers out. The oracle of the long test is written down here: what was drawn
 * when, and which question was selected then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <gatehouse/protocol.h>

#include "tests/screen/made_questions.h"

#define SECOND CLOCK_SECOND
#define CURL   "/usr/bin/curl"
#define NCAT   "/usr/bin/ncat"

static struct made_desk desk;
static struct model model;
static uint64_t now;

static int set_up(void **state)
{
    struct model_desk made = {.context = &desk, .answer = made_answer, .undo = made_undo};

    (void)state;
    memset(&desk, 0, sizeof(desk));
    now = 1000 * SECOND;
    return !model_init(&model, &made);
}

static int tear_down(void **state)
{
    (void)state;
    model_cleanup(&model);
    return 0;
}

/* Drawn, and looked at for a while. */
static void look(void)
{
    model_shown(&model, true, now);
    now += MODEL_PAUSE;
}

static void press(const char *keys)
{
    for (; *keys != '\0'; keys++)
        model_press(&model, *keys, now);
}

static void answered(uint32_t tag, uint64_t id, const char *undo, uint64_t covered)
{
    struct peer_answered answered = {.tag = tag, .id = id, .outcome = PEER_OK, .undo = undo, .covered = covered};

    model_answered(&model, &answered);
}

static void gone(const struct peer_question *question, unsigned verdict, unsigned by, const char *who, bool mine)
{
    struct peer_gone gone = {
        .verdict = verdict, .by = by, .who = who, .scope = who == NULL ? NULL : "connection", .mine = mine};

    model_gone(&model, question, &gone);
}

static void expect_answer(unsigned place, uint64_t id, bool permit, enum gatehouse_scope scope, enum choice_until until,
                          uint32_t minutes)
{
    assert_true(place < desk.answer_count);
    assert_int_equal(desk.answers[place].id, id);
    assert_int_equal(desk.answers[place].choice.permit, permit);
    assert_int_equal(desk.answers[place].choice.scope, scope);
    assert_int_equal(desk.answers[place].choice.until, until);
    assert_int_equal(desk.answers[place].choice.minutes, minutes);
    assert_null(choice_wrong(&desk.answers[place].choice));
}

static void test_keys_count_after_the_pause(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);

    (void)state;
    press("yn"); /* nothing waits */
    model_question(&model, &one);
    press("ynav"); /* not drawn yet */
    model_shown(&model, true, now);
    press("ynav");
    now += MODEL_PAUSE - 1;
    press("ynav ");
    assert_int_equal(desk.answer_count, 0);
    assert_int_equal(model_marked(&model), 0);
    now += 1;
    press("y");
    assert_int_equal(desk.answer_count, 1);
    expect_answer(0, 1, true, GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0);
    press("yn"); /* it is answered */
    assert_int_equal(desk.answer_count, 1);
    answered(1, 1, NULL, 0);
    assert_string_equal(text_string(&model.message), "permitted curl to 192.0.2.1");
}

static void test_small_window_shows_nothing(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);

    (void)state;
    model_question(&model, &one);
    look();
    model_shown(&model, false, now);
    press("y");
    assert_int_equal(desk.answer_count, 0);
    look();
    press("n");
    expect_answer(0, 1, false, GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0);
}

/* The one after it takes its place, and not its key. */
static void test_gone_under_the_finger(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 50 * SECOND);
    struct peer_question two = made_question(2, NCAT, "192.0.2.2", 25, now + 60 * SECOND);

    (void)state;
    model_question(&model, &one);
    model_question(&model, &two);
    look();
    assert_int_equal(model.selected, 1);
    gone(&one, GATEHOUSE_VERDICT_NONE, GATEHOUSE_BY_CANCEL, NULL, false);
    assert_int_equal(model.selected, 2);
    press("y");
    model_shown(&model, true, now);
    press("y");
    assert_int_equal(desk.answer_count, 0);
    assert_non_null(strstr(text_string(&model.message), "Another question"));
    now += MODEL_PAUSE;
    press("y");
    expect_answer(0, 2, true, GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0);
}

/* An earlier deadline comes in above: what is selected stays. */
static void test_selection_stays(void **state)
{
    struct peer_question one = made_question(5, CURL, "192.0.2.1", 443, now + 50 * SECOND);
    struct peer_question two = made_question(6, NCAT, "192.0.2.2", 25, now + 20 * SECOND);

    (void)state;
    model_question(&model, &one);
    look();
    model_question(&model, &two);
    assert_int_equal(model.items[0].question->id, 6);
    assert_int_equal(model.selected, 5);
    press("n");
    expect_answer(0, 5, false, GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0);
    assert_int_equal(model.selected, 6);
}

static void test_scopes_and_lifetimes(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);
    static const struct {
        const char *keys;
        enum gatehouse_scope scope;
        enum choice_until until;
        uint32_t minutes;
    } rows[] = {
        {"y", GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0},
        {"sy", GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_EXIT, 0},
        {"ssy", GATEHOUSE_SCOPE_PROGRAM_NAME, CHOICE_EXIT, 0},
        {"sssy", GATEHOUSE_SCOPE_PROGRAM_PORT, CHOICE_EXIT, 0},
        {"ssssy", GATEHOUSE_SCOPE_PROGRAM, CHOICE_EXIT, 0},
        {"sssssy", GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0},
        {"ty", GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_MINUTES, 10},
        {"tty", GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_EXIT, 0},
        {"ttty", GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_REBOOT, 0},
        {"tttty", GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_ALWAYS, 0},
        {"ttttty", GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0},
        {"tsy", GATEHOUSE_SCOPE_PROGRAM_NAME, CHOICE_MINUTES, 10},
        {"45\ny", GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_MINUTES, 45},
        {"4\x7f"
         "9\ny",
         GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_MINUTES, 9},
        {"99999\ny", GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0},
        {"7\x1by", GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0},
        {"a", GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_ALWAYS, 0},
        {"ssssa", GATEHOUSE_SCOPE_PROGRAM, CHOICE_ALWAYS, 0},
    };

    (void)state;
    one.name = "example.org";
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        model_question(&model, &one);
        look();
        press(rows[i].keys);
        assert_int_equal(desk.answer_count, i + 1);
        expect_answer(i, 1, true, rows[i].scope, rows[i].until, rows[i].minutes);
        gone(&one, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_BY_DECIDER, "me", true);
        one.id = 1;
    }
}

/* Without name, port or program some reaches make no sense. */
static void test_scopes_that_fit(void **state)
{
    struct peer_question ping = made_question(1, CURL, "192.0.2.1", 0, now + 60 * SECOND);
    struct peer_question nobody = made_question(2, NULL, "192.0.2.1", 443, now + 61 * SECOND);

    (void)state;
    model_question(&model, &ping);
    look();
    press("s");
    assert_int_equal(model.scope, GATEHOUSE_SCOPE_PROGRAM_DESTINATION);
    press("s");
    assert_int_equal(model.scope, GATEHOUSE_SCOPE_PROGRAM);
    gone(&ping, GATEHOUSE_VERDICT_NONE, GATEHOUSE_BY_CANCEL, NULL, false);
    model_question(&model, &nobody);
    look();
    press("stav5\n");
    assert_int_equal(model.scope, GATEHOUSE_SCOPE_CONNECTION);
    assert_int_equal(desk.answer_count, 0);
    press("n");
    expect_answer(0, 2, false, GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0);
}

static void test_covers(void **state)
{
    struct peer_question list[6];

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        list[i] = made_question(i + 1, i < 5 ? CURL : NCAT, i < 3 ? "192.0.2.1" : "192.0.2.9", i == 4 ? 80 : 443,
                                now + (60 + i) * SECOND);
        list[i].name = i == 0 || i == 4 ? "example.org" : NULL;
        model_question(&model, &list[i]);
    }
    look();
    assert_int_equal(model_covers(&model), 0);
    press("s"); /* curl to 192.0.2.1:443 */
    assert_int_equal(model_covers(&model), 2);
    press("s"); /* example.org */
    assert_int_equal(model_covers(&model), 1);
    press("s"); /* port 443 */
    assert_int_equal(model_covers(&model), 3);
    press("s"); /* anything */
    assert_int_equal(model_covers(&model), 4);
    press("y");
    assert_int_equal(desk.answer_count, 1);
    answered(1, 1, "9", 4);
    assert_string_equal(text_string(&model.message),
                        "permitted curl to anything until the program exits and 4 more \xC2\xB7 u undoes");
}

static void test_marks(void **state)
{
    struct peer_question list[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        list[i] = made_question(i + 1, CURL, "192.0.2.1", 440 + i, now + (60 + i) * SECOND);
        model_question(&model, &list[i]);
    }
    look();
    press(" j");
    press(" "); /* the second was not looked at yet */
    assert_int_equal(model_marked(&model), 1);
    look();
    press(" j");
    look();
    press("v"); /* the third is selected, and not meant */
    assert_int_equal(desk.answer_count, 2);
    expect_answer(0, 1, false, GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_ALWAYS, 0);
    expect_answer(1, 2, false, GATEHOUSE_SCOPE_PROGRAM_DESTINATION, CHOICE_ALWAYS, 0);
    answered(1, 1, "31", 0);
    answered(2, 2, "32", 0);
    assert_string_equal(text_string(&model.message), "blocked 2 connections \xC2\xB7 u undoes");
    press("u"); /* both */
    assert_int_equal(desk.undo_count, 2);
    assert_string_equal(desk.undone[0], "32");
    assert_string_equal(desk.undone[1], "31");
    press("u");
    assert_int_equal(desk.undo_count, 2);
    assert_non_null(strstr(text_string(&model.message), "nothing to undo"));
}

static void test_late_and_others(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);
    struct peer_question two = made_question(2, CURL, "192.0.2.2", 443, now + 61 * SECOND);
    struct peer_answered late = {.tag = 1, .id = 1, .outcome = PEER_LATE, .sentence = "bob has blocked it already."};

    (void)state;
    model_question(&model, &one);
    model_question(&model, &two);
    look();
    press("y");
    model_answered(&model, &late);
    assert_string_equal(text_string(&model.message), "bob has blocked it already.");
    gone(&one, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_DECIDER, "bob", false);
    assert_string_equal(text_string(&model.message), "bob blocked it: curl to 192.0.2.1");
    gone(&two, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_BY_DECIDER, "alice", false);
    assert_string_equal(text_string(&model.message), "alice permitted it: curl to 192.0.2.2");
    assert_int_equal(model.selected, 0);
    assert_int_equal(model.count, 0);
    /* For a question that is not known any more, and a tag that never was. */
    late.tag = 77;
    model_answered(&model, &late);
}

/* Refused: it is still held, and can be answered again. */
static void test_refused(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);
    struct peer_answered refused = {.tag = 1, .id = 1, .outcome = PEER_REFUSED, .sentence = "Too many rules."};

    (void)state;
    model_question(&model, &one);
    look();
    press("a");
    model_answered(&model, &refused);
    assert_string_equal(text_string(&model.message), "Too many rules.");
    look();
    press("y");
    assert_int_equal(desk.answer_count, 2);
    model_error(&model, 2, "Not understood.");
    look();
    press("y");
    assert_int_equal(desk.answer_count, 3);
}

static void test_filter(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);
    struct peer_question two = made_question(2, NCAT, "192.0.2.2", 25, now + 61 * SECOND);

    (void)state;
    model_question(&model, &one);
    model_question(&model, &two);
    look();
    press("/NC");
    assert_int_equal(model.visible_count, 1);
    assert_int_equal(model.selected, 2);
    press("y\n"); /* a letter of the filter */
    assert_int_equal(desk.answer_count, 0);
    assert_int_equal(model.visible_count, 0);
    assert_int_equal(model.selected, 0);
    press("y");
    press("\x1b");
    assert_int_equal(model.visible_count, 2);
    press("/ncat\n");
    assert_int_equal(model.selected, 2);
    look();
    press("y");
    expect_answer(0, 2, true, GATEHOUSE_SCOPE_CONNECTION, CHOICE_ONCE, 0);
}

static void test_leaving(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);

    (void)state;
    model.own = true;
    model_question(&model, &one);
    look();
    press("qy");
    assert_false(model.quit);
    assert_int_equal(desk.answer_count, 0);
    press("qq");
    assert_true(model.quit);
    model.quit = false;
    model.own = false;
    press("q");
    assert_true(model.quit);
}

static void test_nobody_decides(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND);
    struct peer_hello hello = {.you = "alice", .decider = false, .sentence = "Somebody else decides."};

    (void)state;
    model_question(&model, &one);
    model_hello(&model, &hello);
    look();
    press("y");
    assert_int_equal(desk.answer_count, 0);
    hello.decider = true;
    model_hello(&model, &hello);
    press("y");
    assert_int_equal(desk.answer_count, 1);
    model_lost(&model, "gatehoused went away.");
    assert_false(model.connected);
    model_back(&model);
    assert_true(model.connected);
}

static void test_due(void **state)
{
    struct peer_question one = made_question(1, CURL, "192.0.2.1", 443, now + 60 * SECOND + SECOND / 2);

    (void)state;
    assert_int_equal(model_due(&model, now), 0); /* nothing waits: nobody wakes up */
    model_question(&model, &one);
    model_shown(&model, true, now);
    assert_int_equal(model_due(&model, now), now + MODEL_PAUSE);
    now += MODEL_PAUSE;
    assert_int_equal(model_due(&model, now), now - MODEL_PAUSE + SECOND / 2);
    assert_int_equal(model_seconds_left(&one, now), 61);
    now += 1000 * SECOND; /* the machine slept */
    assert_int_equal(model_seconds_left(&one, now), 0);
    assert_true(model_due(&model, now) > now);
}

/* --- Anything in any order ------------------------------------------------------------------------ */

#define POOL 24u

static struct {
    uint64_t id;
    uint64_t since; /* selected on the screen; 0: not on it */
} screen;

static uint64_t marked_fairly[1u << 20 >> 3];

static void draw(bool with_question)
{
    bool on = with_question && model.view != MODEL_HELP && model.view != MODEL_DETAILS;

    model_shown(&model, with_question, now);
    if (!with_question)
        screen.id = 0;
    if (!on || screen.id == model.selected)
        return;
    screen.id = model.selected;
    screen.since = now;
}

static bool was_read(uint64_t id)
{
    return id != 0 && screen.id == id && now >= screen.since + MODEL_PAUSE;
}

static bool is_fair(uint64_t id)
{
    return was_read(id) || (marked_fairly[id / 64] & 1ull << id % 64) != 0;
}

static void press_random(void)
{
    static const int keys[] = {'y',
                               'n',
                               'a',
                               'v',
                               's',
                               't',
                               ' ',
                               'u',
                               'j',
                               'k',
                               '/',
                               'c',
                               '?',
                               '1',
                               '5',
                               'q',
                               'g',
                               'G',
                               MODEL_KEY_ENTER,
                               MODEL_KEY_ESCAPE,
                               MODEL_KEY_UP,
                               MODEL_KEY_DOWN,
                               MODEL_KEY_PAGE_DOWN,
                               MODEL_KEY_PAGE_UP,
                               MODEL_KEY_BACKSPACE,
                               MODEL_KEY_HOME,
                               MODEL_KEY_END,
                               0xC3,
                               0xBC};
    int key = keys[(unsigned)random() % (sizeof(keys) / sizeof(keys[0]))];
    unsigned before = desk.answer_count;

    if (key == ' ' && model.view == MODEL_LIST && was_read(model.selected))
        marked_fairly[model.selected / 64] |= 1ull << model.selected % 64;
    model_press(&model, key, now);
    model.quit = false;
    for (unsigned i = before; i < desk.answer_count; i++) {
        assert_true(is_fair(desk.answers[i % MADE_MAX].id));
        assert_null(choice_wrong(&desk.answers[i % MADE_MAX].choice));
    }
}

static void come(struct peer_question *question, uint64_t id)
{
    static const char *const programs[] = {CURL, NCAT, "/opt/\xE9\x96\x80/cat", NULL};
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};

    *question = made_question(id, programs[random() % 4], addresses[random() % 3], (unsigned)random() % 3 * 443,
                              now + (uint64_t)(random() % 60) * SECOND);
    question->name = random() % 2 ? "example.org" : NULL;
    model_question(&model, question);
}

static void happen(struct peer_question pool[POOL], uint64_t *id)
{
    struct peer_question *question = &pool[random() % POOL];
    struct peer_answered outcome = {.tag = desk.tag - (uint32_t)(random() % 4), .id = (uint64_t)random() % (*id + 1)};

    switch (random() % 8) {
    case 0:
    case 1:
        if (question->id == 0)
            come(question, ++*id);
        break;
    case 2:
        if (question->id != 0) {
            gone(question, (unsigned)random() % 3, (unsigned)random() % 10, random() % 2 ? "bob" : NULL, random() % 2);
            question->id = 0;
        }
        break;
    case 3:
        outcome.outcome = (enum peer_outcome)(random() % 4);
        outcome.undo = outcome.outcome == PEER_OK && random() % 2 ? "5" : NULL;
        model_answered(&model, &outcome);
        break;
    case 4:
        draw(random() % 8 != 0);
        break;
    case 5:
        now += (uint64_t)random() % (2 * MODEL_PAUSE);
        break;
    default:
        press_random();
        break;
    }
}

static void test_anything(void **state)
{
    struct peer_question pool[POOL] = {0};
    uint64_t id = 0;

    (void)state;
    srandom(20261122);
    for (unsigned round = 0; round < 2000000 && id < 1000000; round++) {
        happen(pool, &id);
        assert_true(model.visible_count <= model.count);
        assert_true(model.selected == 0 || model_selected(&model) != NULL);
        assert_true(model.visible_count == 0 || model.selected != 0);
        for (unsigned i = 1; i < model.count; i++)
            assert_true(model.items[i - 1].question->deadline <= model.items[i].question->deadline);
    }
    assert_true(desk.answer_count > 1000); /* or this said nothing */
    print_message("%u answers to %llu questions\n", desk.answer_count, (unsigned long long)id);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_keys_count_after_the_pause),
        TEST(test_small_window_shows_nothing),
        TEST(test_gone_under_the_finger),
        TEST(test_selection_stays),
        TEST(test_scopes_and_lifetimes),
        TEST(test_scopes_that_fit),
        TEST(test_covers),
        TEST(test_marks),
        TEST(test_late_and_others),
        TEST(test_refused),
        TEST(test_filter),
        TEST(test_leaving),
        TEST(test_nobody_decides),
        TEST(test_due),
        TEST(test_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
