/*
 * master: the whole master, from the first connection to its end, in a world that the
 * input moves (master_world.h): clients that come, speak and leave, gates that claim,
 * lie and stay, attempts and sessions that end or hang, warm parents that die or do not
 * start, reloads, the administrator's orders, time.
 *
 * After each turn: no row without a deadline; a turn of auth's is held by whom auth
 * serves, or is to serve, and by nobody else. At the end, when nothing but time passes
 * and nobody but the parents does what it should: no row is left, and no descriptor.
 */
#include "master_world.h"

#include "fuzz.h"
#include "master/logger.h"
#include "postern/control.h"
#include "postern/report.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CONTROLS = 4,
	SESSIONS_MS = 700000, /* after the last deadline of who has no session */
	ALL_MS = 900000,
	NAP_MS = 20000,
};

struct master master;

static struct span input;
static int controls[CONTROLS];
static bool over;
static int64_t over_at;

int __real_poller_wait(struct poller *poller, int64_t deadline);
int __wrap_poller_wait(struct poller *poller, int64_t deadline);

static void configure(unsigned how)
{
	char text[2048];
	const char *at = fuzz_directory();
	int n = snprintf(text, sizeof(text),
		"listen pop3 127.0.0.1:0\naccounts sqlite:%s/u.db maildir:%s/%%n\n"
		"runtime %s/run%s\nstate %s/state\nprograms %s\nhostname h\nuser "
		"nobody\n"
		"limits connections %u per-source %u attempts 3 logins %u\n"
		"timeouts login 20s\nplaintext always\n%s",
		at, at, at, how & 1 ? "2" : "", at, at, how & 4 ? 12 : 40,
		how & 8 ? 4 : 12, how & 16 ? 2 : 4, how & 32 ? "nonsense\n" : "");
	fuzz_write("postern.conf", span_of(text, (size_t)n));
}

/* --- what must be so after each turn ---------------------------------------------- */

struct sums {
	size_t rows;
	uint32_t turns, sources;
};

static void check_row(void *context, struct row *row)
{
	struct sums *sums = context;
	sums->rows++;
	sums->turns += row->turn;
	FUZZ_CHECK(row_has_deadline(row));
	FUZZ_CHECK(
		row->turn == (row->parts & PART_AUTH || row->errand[DOMAIN_AUTH].work));
	FUZZ_CHECK(row->state != ROW_PARTED || row->client < 0);
	FUZZ_CHECK(row->state != ROW_QUEUED || row->watch.events == 0);
}

static void check(void)
{
	struct sums sums = { 0 };
	rows_each(&master.rows, check_row, &sums);
	FUZZ_CHECK(sums.rows == master.rows.n);
	FUZZ_CHECK(sums.turns == master.queue.in_flight);
	if (master.current)
		FUZZ_CHECK(!strstr(master.current->config.runtime, "run2"));
}

/* --- what the input can do ---------------------------------------------------------
 */

static void order(unsigned which, unsigned connection)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	unsigned char storage[1024];
	struct buf message;
	struct control control = { .order = which % (CONTROL_LAST - 1) + 1 };
	int *fd = &controls[connection % CONTROLS];
	if (*fd >= 0) {
		while (recv(*fd, storage, sizeof(storage), MSG_DONTWAIT) > 0)
			;
		close(*fd);
		*fd = -1;
		return;
	}
	if (control.order == CONTROL_KICK)
		control.connection = connection / CONTROLS + 1;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/%s", fuzz_directory(),
		CONTROL_NAME);
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(*fd >= 0);
	buf_fixed(&message, storage, sizeof(storage));
	control_encode(&message, &control);
	if (connect(*fd, (const void *)&at, sizeof(at)) == 0)
		(void)!send(*fd, buf_span(&message).p, buf_len(&message), MSG_NOSIGNAL);
}

static void client_does(unsigned what, unsigned n)
{
	int client = (int)(n % CLIENTS);
	if (what == 0)
		world_connect(n);
	else if (world.clients[client] >= 0 && what == 1)
		(void)!send(world.clients[client], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (what == 2)
		world_leave(client);
}

static void gate_does(unsigned what, struct kid *kid)
{
	char storage[64];
	if (!kid)
		return;
	if (what == 0 && kid->fds[1] >= 0)
		(void)!send(kid->fds[1], "claim", 5, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (what == 1)
		kid_hang_up(kid, 1);
	else if (what == 2 && kid->fds[3] >= 0)
		(void)!send(kid->fds[3], "sign", 4, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (what == 3 && kid->fds[1] >= 0)
		(void)!recv(kid->fds[1], storage, sizeof(storage), MSG_DONTWAIT);
}

static void kid_ends(unsigned n, enum domain_kind kind)
{
	static const int statuses[] = { 0, 1 << 8, 3 << 8, 111 << 8, 2 << 8, SIGSEGV };
	struct kid *kid = world_kid(n, kind);
	if (kid)
		kid_die(kid, statuses[n % (sizeof(statuses) / sizeof(*statuses))]);
}

static void auth_does(unsigned what, struct kid *kid)
{
	if (!kid)
		return;
	kid_accept(kid);
	if (what != 1)
		kid_die(kid, what == 0 ? 0 : SIGSEGV);
}

static void session_says(struct kid *kid)
{
	if (kid && kid->fds[0] >= 0)
		(void)!send(kid->fds[0], "ready", 5, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void act(unsigned what, unsigned n)
{
	enum domain_kind kind = (enum domain_kind)(n % DOMAINS);
	struct parent *parent = world_parent(n / DOMAINS, kind);
	switch (what % 21) {
	case 0:
	case 1:
	case 2:
		client_does(what % 21, n);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		gate_does(what % 21 - 3, world_kid(n, DOMAIN_GATE));
		break;
	case 7:
	case 8:
	case 9:
		auth_does(what % 21 - 7, world_kid(n, DOMAIN_AUTH));
		break;
	case 10:
		session_says(world_kid(n, DOMAIN_SESSION));
		break;
	case 11:
	case 12:
	case 13:
		kid_ends(n, (enum domain_kind)(what % 21 - 11));
		break;
	case 14:
	case 15:
		for (unsigned i = 0; parent && i <= n / DOMAINS % 8 && parent->pid; i++)
			if (!parent->zombie)
				(void)parent_step(parent);
		break;
	case 16:
		parent = world_parent(n, DOMAIN_SESSION);
		if (parent)
			(void)parent_take_identity(parent);
		break;
	case 17:
		if (parent && n & 0x40)
			parent_die(parent, n & 0x80 ? SIGKILL : 111 << 8);
		world.no_start = (n & 0x30) == 0x30;
		break;
	case 18:
		world.now += n & 1 ? (int64_t)n * 10 : (int64_t)n * 500;
		break;
	case 19:
		configure(n);
		world_signal(SIGHUP);
		break;
	default:
		order(n, n / 4);
	}
}

/* --- the life --------------------------------------------------------------------- */

/* Only parents do what they should, and nobody else does anything but stay. */
static void parents_obey(void)
{
	world.no_start = false;
	for (int i = 0; i < PARENTS; i++) {
		struct parent *p = &world.parents[i];
		while (p->pid && !p->zombie && parent_step(p))
			;
		if (p->pid && !p->zombie && p->kind == DOMAIN_SESSION)
			(void)parent_take_identity(p);
	}
}

static void sessions_end(void)
{
	for (int i = 0; i < KIDS; i++)
		if (world.kids[i].pid && !world.kids[i].zombie &&
			world.kids[i].kind == DOMAIN_SESSION)
			kid_die(&world.kids[i], 0);
}

static void go_on_to_the_end(int64_t deadline)
{
	parents_obey();
	if (!over) {
		over = true;
		over_at = world.now;
	}
	if (world.now - over_at > SESSIONS_MS)
		sessions_end();
	if (master.rows.n == 0 || world.now - over_at > ALL_MS) {
		FUZZ_CHECK(master.rows.n == 0);
		if (!master.stopping)
			world_signal(SIGTERM);
	}
	int64_t nap = deadline - world.now;
	world.now += nap < 1 ? 1 : nap > NAP_MS ? NAP_MS : nap;
}

int __wrap_poller_wait(struct poller *poller, int64_t deadline)
{
	check();
	if (input.n >= 2 && master.current) {
		unsigned what = fuzz_octet(&input);
		act(what, fuzz_octet(&input));
	} else if (!master.current && !master.stopping && world.now < ALL_MS) {
		parents_obey();
		world.now++;
	} else {
		go_on_to_the_end(deadline);
	}
	return __real_poller_wait(poller, world.now);
}

static int descriptors(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	FUZZ_CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void nothing(void *context)
{
	(void)context;
}

static void one_life(void)
{
	static struct config config;
	static struct logger logger; /* never started: nothing is logged */
	struct buf errors;
	int ends[2];
	char path[256];
	FUZZ_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	snprintf(path, sizeof(path), "%s/run", fuzz_directory());
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/postern.conf", fuzz_directory());
	buf_init(&errors, 65536);
	FUZZ_CHECK(config_load(&config, path, &errors) == 0);
	buf_free(&errors);
	FUZZ_CHECK(master_init(&master, path, ends[0], &logger) == 0);
	master.root = false;
	master.rows.buckets_n = 64; /* rows_each() is called after each turn */
	world_begin(ends[1]);
	int code = master_serve(&master, &config, nothing, NULL);
	FUZZ_CHECK(code == 0 && master.rows.n == 0);
	master_free(&master);
	world_end();
	close(ends[0]);
	close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	input = span_of(data, size);
	over = false;
	for (int i = 0; i < CONTROLS; i++)
		controls[i] = -1;
	int before = descriptors();
	configure(fuzz_octet(&input) & ~33U);
	one_life();
	for (int i = 0; i < CONTROLS; i++)
		if (controls[i] >= 0)
			close(controls[i]);
	FUZZ_CHECK(descriptors() == before);
	return 0;
}
