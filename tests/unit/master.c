/*
 * The master's tables: timers, sources and their penalties, the queue of claims,
 * the children of a warm parent.
 */
#include "base/io.h"
#include "master/challenge.h"
#include "master/crowd.h"
#include "master/queue.h"
#include "master/row.h"
#include "master/source.h"
#include "master/timer.h"
#include "postern/setup.h"
#include "warm/children.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>

/* --- timers ------------------------------------------------------------------------
 */

enum { TIMERS = 500 };

static struct timers timers;
static struct timer all[TIMERS];
static int64_t last_fired;
static int fired;

static void fire(void *owner)
{
	const struct timer *timer = owner;
	cr_assert_geq(timer->at, last_fired);
	last_fired = timer->at;
	fired++;
}

static void set_many(void)
{
	timers_reserve(&timers, TIMERS);
	for (int i = 0; i < TIMERS; i++) {
		all[i].fire = fire;
		all[i].owner = &all[i];
		timer_set(&timers, &all[i], i * 7919 % 1009);
	}
}

Test(timers, fire_in_order)
{
	set_many();
	cr_assert_eq(timers_next(&timers), 0);
	timers_run(&timers, 1009);
	cr_assert_eq(fired, TIMERS);
	cr_assert_eq(timers_next(&timers), IO_FOREVER);
}

Test(timers, stop_and_move)
{
	set_many();
	for (int i = 0; i < TIMERS; i += 3)
		timer_stop(&timers, &all[i]);
	for (int i = 1; i < TIMERS; i += 3)
		timer_set(&timers, &all[i], i * 31 % 997);
	timer_stop(&timers, &all[0]);
	timers_run(&timers, 2000);
	cr_assert_eq(fired, TIMERS - (TIMERS + 2) / 3);
}

Test(timers, only_what_is_due)
{
	set_many();
	timers_run(&timers, 500);
	cr_assert_gt(timers_next(&timers), 500);
	cr_assert_gt(fired, 0);
	cr_assert_lt(fired, TIMERS);
}

/* --- sources ------------------------------------------------------------------------
 */

static struct sources sources;

static struct netaddr address(const char *text)
{
	struct netaddr a = { .family = strchr(text, ':') ? 6 : 4 };
	cr_assert_eq(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.octets), 1);
	return a;
}

static struct source *enter(const char *text)
{
	struct netaddr a = address(text);
	return source_enter(&sources, &a);
}

static void init(void)
{
	cr_assert_eq(sources_init(&sources), 0);
}

Test(sources, ipv6_counts_by_64, .init = init)
{
	struct source *a = enter("2001:db8:1:2::1"), *b = enter("2001:db8:1:2::ffff"),
		      *c = enter("2001:db8:1:3::1");
	cr_assert_eq(a, b);
	cr_assert_neq(a, c);
	cr_assert_eq(a->wide, c->wide);
	cr_assert_eq(a->connections, 2);
	cr_assert_eq(a->wide->connections, 3);
	cr_assert_neq(enter("192.0.2.1"), enter("192.0.2.2"));
}

Test(sources, forgotten_when_there_is_nothing_to_tell, .init = init)
{
	for (int i = 0; i < 100; i++)
		source_leave(&sources, enter("2001:db8::1"), 1000);
	cr_assert_eq(sources.n, 0);
	struct source *source = enter("192.0.2.1");
	source_refused(source, 0, 1000);
	source_leave(&sources, source, 1000);
	cr_assert_eq(sources.n, 1);
	cr_assert_eq(enter("192.0.2.1"), source);
}

Test(sources, memory_stays_flat, .init = init)
{
	for (uint32_t i = 0; i < 200000; i++) {
		struct netaddr a = { .family = 4 };
		memcpy(a.octets, &i, 4);
		a.octets[0] |= 1;
		struct source *source = source_enter(&sources, &a);
		source_refused(source, 0, 1000);
		source_leave(&sources, source, 1000);
	}
	cr_assert_leq(sources.n, 16384);
	cr_assert_eq(sources.n, sources.idle_n);
}

Test(sources, a_24_is_counted_and_not_punished, .init = init)
{
	struct source *a = enter("192.0.2.1"), *b = enter("192.0.2.2"),
		      *c = enter("192.0.3.1");
	cr_assert_eq(a->wide, b->wide);
	cr_assert_neq(a->wide, c->wide);
	cr_assert_eq(a->wide->connections, 2);
	for (uint64_t i = 1; i < 100; i++)
		source_refused(a, i, 1000);
	cr_assert_eq(source_look_at(b), 0);
	cr_assert_eq(source_class(b, 1000), SOURCE_NEW);
	source_accepted(a, 1000);
	cr_assert_not(source_is_good(b, 1000));
}

Test(penalties, a_crash_is_a_failure_and_puts_off_the_next_gate, .init = init)
{
	struct source *source = enter("192.0.2.1"), *good = enter("192.0.3.1");
	source_crashed(source, 1000);
	source_crashed(source, 1000);
	cr_assert_eq(source->failures, 2);
	cr_assert_eq(source->bear_at, 2000);
	source_accepted(good, 1000);
	for (int i = 0; i < 9; i++)
		source_crashed(good, 1000);
	cr_assert_eq(good->bear_at, 3000);
	source_crashed(enter("127.0.0.1"), 1000);
	cr_assert_eq(enter("127.0.0.1")->bear_at, 0);
}

Test(penalties, grow_to_a_most_and_fade, .init = init)
{
	static const int64_t want[] = { 500, 1000, 2000, 4000, 8000, 15000, 15000 };
	struct source *source = enter("192.0.2.1");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		cr_assert_eq(source_refused(source, i + 1, 1000), want[i]);
		cr_assert_eq(source_look_at(source), 1000 + want[i]);
	}
	cr_assert_lt(source_refused(source, 99, 1000 + 10 * 60000), 1001);
}

Test(penalties, the_same_credential_counts_once, .init = init)
{
	struct source *source = enter("192.0.2.1");
	for (int i = 0; i < 20; i++)
		cr_assert_eq(source_refused(source, 7, 1000), 500);
	cr_assert_eq(source_refused(source, 8, 1000), 1000);
	cr_assert_eq(source_refused(source, 7, 1000), 1000);
	/* Zero: auth could not tell. */
	cr_assert_eq(source_refused(source, 0, 1000), 2000);
	cr_assert_eq(source_refused(source, 0, 1000), 4000);
}

Test(penalties, a_48_guesses_no_faster_than_its_size, .init = init)
{
	int64_t last = 0;
	for (int i = 0; i < 400; i++) {
		char text[64];
		snprintf(text, sizeof(text), "2001:db8:7:%x::1", i);
		last = source_refused(enter(text), (uint64_t)i + 1, 1000);
	}
	cr_assert_eq(last, 15000);
	/* Nobody from there is looked at, but for a network where people log in. */
	struct source *other = enter("2001:db8:7:ffff::1");
	cr_assert_eq(source_look_at(other), 16000);
	source_accepted(other, 1000);
	cr_assert_eq(source_look_at(other), 0);
	cr_assert_eq(source_look_at(enter("2001:db8:8::1")), 0);
}

Test(penalties, a_source_with_good_logins_keeps_its_share, .init = init)
{
	struct source *source = enter("192.0.2.1");
	source_accepted(source, 1000);
	for (uint64_t i = 1; i < 6; i++)
		source_refused(source, i, 1000);
	cr_assert_eq(source_refused(source, 6, 1000), 15000);
	cr_assert_eq(source_look_at(source), 1250);
}

Test(penalties, loopback_stands_for_others, .init = init)
{
	struct source *source = enter("127.0.0.1");
	for (uint64_t i = 1; i < 10; i++)
		cr_assert_leq(source_refused(source, i, 1000), 2000);
	cr_assert_eq(source_look_at(source), 0);
}

/* --- the queue ----------------------------------------------------------------------
 */

static struct rows rows;
static struct queue queue;

static void init_queue(void)
{
	init();
	cr_assert_eq(rows_init(&rows), 0);
	queue_init(&queue, &timers);
	queue.most = 8;
}

static struct row *wait_from(const char *text)
{
	struct row *row = row_new(&rows, &timers);
	row->source = enter(text);
	queue_append(&queue, row);
	return row;
}

/* A row of a network that has another lane than source has. */
static struct row *wait_elsewhere(const struct source *source)
{
	char text[32];
	for (int i = 0;; i++) {
		snprintf(text, sizeof(text), "192.0.%d.1", i);
		if (enter(text)->lane != source->lane)
			return wait_from(text);
	}
}

Test(queue, one_source_takes_no_more_than_its_share, .init = init_queue)
{
	for (int i = 0; i < 20; i++)
		wait_from("192.0.2.1");
	struct row *first = queue_take(&queue);
	cr_assert_not_null(queue_take(&queue));
	cr_assert_null(queue_take(&queue));
	struct row *other = wait_elsewhere(first->source);
	cr_assert_eq(queue_take(&queue), other);
	queue_done(&queue, first);
	cr_assert_not_null(queue_take(&queue));
	cr_assert_null(queue_take(&queue));
	cr_assert_eq(queue.waiting, 17);
}

Test(queue, sources_take_turns, .init = init_queue)
{
	struct row *a[2] = { wait_from("192.0.2.1"), wait_from("192.0.2.1") };
	struct row *b[2] = { wait_from("192.0.2.2"), wait_from("192.0.2.2") };
	queue.most = 16;
	cr_assert_eq(queue_take(&queue), a[0]);
	cr_assert_eq(queue_take(&queue), b[0]);
	cr_assert_eq(queue_take(&queue), a[1]);
	cr_assert_eq(queue_take(&queue), b[1]);
}

Test(queue, strangers_leave_room_for_good_sources, .init = init_queue)
{
	char text[32];
	for (int i = 1; i < 200; i++) {
		snprintf(text, sizeof(text), "10.%d.100.1", i);
		wait_from(text);
	}
	int taken = 0;
	while (queue_take(&queue))
		taken++;
	cr_assert_eq(taken, 6);
	struct source *good = enter("192.0.2.1");
	source_accepted(good, io_now());
	struct row *row = wait_from("192.0.2.1");
	cr_assert_eq(queue_take(&queue), row);
	cr_assert_null(queue_take(&queue));
}

Test(queue, a_penalty_keeps_a_source_out, .init = init_queue)
{
	struct source *source = enter("192.0.2.1");
	source_refused(source, 1, io_now());
	struct row *row = wait_from("192.0.2.1");
	cr_assert_null(queue_take(&queue));
	cr_assert(timer_is_set(&source->timer));
	cr_assert_geq(timers_next(&timers), io_now());
	source->look_at = 0;
	timers_run(&timers, INT64_MAX);
	cr_assert_eq(queue_take(&queue), row);
}

Test(queue, who_hangs_up_is_out, .init = init_queue)
{
	struct row *a = wait_from("192.0.2.1"), *b = wait_from("192.0.2.2"),
		   *c = wait_from("192.0.2.2");
	queue_remove(&queue, a);
	queue_remove(&queue, b);
	cr_assert_eq(queue_take(&queue), c);
	cr_assert_null(queue_take(&queue));
	cr_assert_eq(queue.waiting, 0);
}

/* --- rows, children, challenges ------------------------------------------------------
 */

Test(rows, found_by_number_until_they_are_freed)
{
	struct row *held[100];
	cr_assert_eq(rows_init(&rows), 0);
	for (int i = 0; i < 100; i++)
		held[i] = row_new(&rows, &timers);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(row_find(&rows, held[i]->facts.connection), held[i]);
	uint64_t number = held[7]->facts.connection;
	row_enter(held[7], ROW_PARTED);
	row_free(&rows, held[7]);
	cr_assert_null(row_find(&rows, number));
	/* Not used again while an event may mention it. */
	for (int i = 0; i < 100; i++)
		cr_assert_neq(row_new(&rows, &timers), held[7]);
	cr_assert_eq(rows.n, 199);
}

Test(rows, a_wrong_change_of_state_is_a_bug, .signal = SIGABRT)
{
	cr_assert_eq(rows_init(&rows), 0);
	row_enter(row_new(&rows, &timers), ROW_OPENING);
}

Test(crowd, the_oldest_goes_for_whom_nobody_decides)
{
	static struct crowd crowd;
	struct row *row[4];
	cr_assert_eq(rows_init(&rows), 0);
	for (int i = 0; i < 4; i++)
		crowd_join(&crowd, row[i] = row_new(&rows, &timers), i == 3);
	cr_assert_eq(crowd.strangers.n, 3);
	cr_assert_eq(crowd_oldest(&crowd.known), row[3]);
	row[0]->state = ROW_BUSY;
	cr_assert_eq(crowd_oldest(&crowd.strangers), row[1]);
	crowd_leave(row[1]);
	crowd_leave(row[1]);
	row[2]->state = ROW_OPENING;
	cr_assert_null(crowd_oldest(&crowd.strangers));
	row[0]->state = ROW_WAITING;
	cr_assert_eq(crowd_oldest(&crowd.strangers), row[0]);
	crowd_leave(row[0]);
	crowd_leave(row[2]);
	crowd_leave(row[3]);
	cr_assert_eq(crowd.strangers.n + crowd.known.n, 0);
	cr_assert_null(crowd.strangers.first);
	cr_assert_null(crowd.strangers.last);
}

Test(children, found_by_pid_and_by_connection)
{
	struct children c = { 0 };
	for (int i = 1; i <= 1000; i++) {
		cr_assert_eq(children_reserve(&c), 0);
		children_add(&c, i * 64, (uint64_t)i * 128);
	}
	for (int i = 1; i <= 1000; i += 2)
		cr_assert_eq(children_remove(&c, i * 64), (uint64_t)i * 128);
	for (int i = 1; i <= 1000; i++) {
		pid_t want = i % 2 ? 0 : i * 64;
		cr_assert_eq(children_find(&c, (uint64_t)i * 128), want);
	}
	cr_assert_eq(children_remove(&c, 64), 0);
	cr_assert_eq(c.n, 500);
	children_free(&c);
}

Test(challenge, fits_with_the_longest_name)
{
	static struct challenges challenges;
	char name[SETUP_HOSTNAME_MAX + 1], text[FACTS_CHALLENGE_MAX + 1];
	memset(name, 'x', sizeof(name));
	name[SETUP_HOSTNAME_MAX] = '\0';
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(challenge_draw(&challenges, name, text), 0);
		cr_assert_eq(strlen(text), FACTS_CHALLENGE_MAX);
		cr_assert_eq(text[strlen(text) - 1], '>');
	}
}

Test(queue, a_network_is_one_of_many, .init = init_queue)
{
	struct row *first = NULL, *row;
	char text[32];
	int before = 0;
	for (int i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "198.51.100.%d", i + 1);
		row = wait_from(text);
		first = first ? first : row;
	}
	struct row *other = wait_elsewhere(first->source);
	for (; (row = queue_take(&queue)) != other; before++)
		queue_done(&queue, row);
	cr_assert_leq(before, 1);
}

Test(queue, a_network_has_a_quarter, .init = init_queue)
{
	char text[32];
	for (int i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "198.51.100.%d", i + 1);
		wait_from(text);
	}
	struct row *first = queue_take(&queue);
	cr_assert_not_null(queue_take(&queue));
	cr_assert_null(queue_take(&queue));
	queue_done(&queue, first);
	cr_assert_not_null(queue_take(&queue));
	cr_assert_null(queue_take(&queue));
}

Test(queue, who_has_failed_comes_after_who_has_not, .init = init_queue)
{
	char text[32];
	for (int i = 0; i < 32; i++) {
		snprintf(text, sizeof(text), "10.%d.0.1", i + 1);
		struct source *source = enter(text);
		source_refused(source, 1, io_now());
		source->look_at = 0;
		wait_from(text);
	}
	for (int i = 0; i < 4; i++) /* half of what may be in flight */
		cr_assert_not_null(queue_take(&queue));
	cr_assert_null(queue_take(&queue));
	struct row *fresh = wait_from("192.0.2.1");
	cr_assert_eq(queue_take(&queue), fresh);
	cr_assert_null(queue_take(&queue));
}
