/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crash_leveldb.c
 * @brief Kills a process with SIGKILL while it commits, again and again, and looks at what it left.
 *
 * Each round forks a writer with several threads, kills it at a random moment, and forks a
 * verifier.  Every acknowledged commit must be there, every commit whole, the feed without a gap,
 * the indexes in step with the documents.  What a writer has acknowledged stands in memory that the
 * processes share.
 *
 *   crash_leveldb [KILLS [SEED]]
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/doc/doc.h"
#include "tests/unit/leveldb_kit.h"

#define THREADS 4
#define ACKS_MAX 20000 /* of one thread in one round */
#define API_DOCS 20
#define PADDING_MAX 2000
#define LIFE_MAX_US 80000

/** What the processes share.  A thread writes only its own track. */
struct shared {
	struct track {
		uint64_t last;       /* stamp of the newest commit that was found in the feed */
		uint64_t user_acked; /* stamp of the newest commit without runtime documents */
		size_t acks;
		struct {
			uint64_t stamp, seq;
		} ack[ACKS_MAX];
	} track[THREADS];
	uint64_t verified_seq;
	uint64_t total_acks;
};

static struct shared *shared;
static struct kit kit;

/** Say what is wrong and end this process. */
#define FAIL(...) do { \
	fprintf(stderr, "crash_leveldb: " __VA_ARGS__); \
	fputc('\n', stderr); \
	_exit(1); \
} while (0)

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
open_store(void)
{
	struct ldb_config config = kit_config("crash");

	config.write_buffer.v = 65536; /* logs and tables change often */
	if (kit_open(&kit, &config) < 0)
		FAIL("opening: %s", kit_last_log());
}

/* ---- The writer ---------------------------------------------------------------------------- */

static struct gh_str
stamped(unsigned thread, uint64_t stamp)
{
	static const char padding[PADDING_MAX];
	struct gh_str body = GH_STR_NONE;
	char name[20], version[24];
	struct doc_writer w;

	snprintf(name, sizeof(name), "thread %u", thread);
	snprintf(version, sizeof(version), "%" PRIu64, stamp);
	doc_writer_init(&w);
	doc_put_int(&w, "stamp", (int64_t)stamp);
	doc_put_int(&w, "thread", thread);
	doc_put_str(&w, "name", gh_str_of(name));
	doc_put_str(&w, "version", gh_str_of(version));
	doc_put_bin(&w, "padding", (struct gh_str){ padding, stamp * 37 % PADDING_MAX });
	if (doc_finish(&w, &body) < 0)
		FAIL("out of memory");
	return body;
}

static struct gh_doc_op
put(const char *kind, const char *id, struct gh_str body)
{
	return (struct gh_doc_op){ .verb = GH_DOC_PUT, .tenant = GH_STR("t"),
		.kind = gh_str_of(kind), .id = gh_str_of(id), .body = body,
		.expect_rev = GH_REV_ANY };
}

static uint64_t
commit(const struct gh_doc_op *ops, size_t n)
{
	uint64_t seq = 0;
	int r = kit.docs.vt->commit(kit.docs.self, ops, n, &seq, NULL);

	if (r < 0)
		FAIL("commit: %d, %s", r, kit_last_log());
	return seq;
}

/** Two runtime documents, and one that is unique by name and version, in one commit. */
static uint64_t
commit_stamp(unsigned thread, uint64_t stamp)
{
	char id[20], api_id[40];

	snprintf(id, sizeof(id), "%u", thread);
	snprintf(api_id, sizeof(api_id), "%u/%u", thread, (unsigned)(stamp % API_DOCS));
	struct gh_str body = stamped(thread, stamp);
	struct gh_doc_op ops[] = {
		put("subscription", id, body), put("api", api_id, body), put("consumer", id, body),
	};
	uint64_t seq = commit(ops, 3);

	free((void *)body.p);
	return seq;
}

/** A commit that the feed shows as an empty batch. */
static void
commit_user(unsigned thread, uint64_t stamp)
{
	char id[20];

	snprintf(id, sizeof(id), "%u", thread);
	struct gh_str body = stamped(thread, stamp);
	struct gh_doc_op op = put("user", id, body);

	commit(&op, 1);
	free((void *)body.p);
}

static void *
write_on(void *arg)
{
	struct track *track = arg;
	unsigned thread = (unsigned)(track - shared->track);

	for (uint64_t stamp = track->last + 1; track->acks < ACKS_MAX; stamp++) {
		uint64_t seq = commit_stamp(thread, stamp);

		track->ack[track->acks].stamp = stamp;
		track->ack[track->acks].seq = seq;
		atomic_signal_fence(memory_order_seq_cst); /* the entry before its count */
		track->acks++;
		if (stamp % 5 == 0) {
			commit_user(thread, stamp);
			track->user_acked = stamp;
		}
	}
	return NULL;
}

static void
run_writer(void)
{
	pthread_t threads[THREADS];

	open_store();
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, write_on, &shared->track[i]) != 0)
			FAIL("no thread");
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	FAIL("nobody killed the writer");
}

/* ---- The verifier -------------------------------------------------------------------------- */

static uint64_t
stamp_of(struct gh_str body)
{
	return (uint64_t)doc_int(body, "stamp", 0);
}

/** A batch of the feed: whole, the next of its thread, and where it was acknowledged. */
static int
check_batch(void *arg, const struct gh_feed_batch *batch)
{
	size_t *acks = arg;

	if (batch->seq != shared->verified_seq + 1)
		FAIL("the feed has %" PRIu64 " after %" PRIu64, batch->seq, shared->verified_seq);
	shared->verified_seq = batch->seq;
	if (batch->n == 0)
		return 0;
	struct gh_str body = batch->changes[0].doc.body;
	int64_t thread = doc_int(body, "thread", -1);
	uint64_t stamp = stamp_of(body);

	if (batch->n != 2 || thread < 0 || thread >= THREADS ||
	    stamp != stamp_of(batch->changes[1].doc.body))
		FAIL("batch %" PRIu64 " is not whole", batch->seq);
	struct track *track = &shared->track[thread];

	if (stamp != track->last + 1)
		FAIL("batch %" PRIu64 " has stamp %" PRIu64 " after %" PRIu64, batch->seq, stamp,
			track->last);
	track->last = stamp;
	if (acks[thread] < track->acks) {
		uint64_t acked_seq = track->ack[acks[thread]].seq;

		if (track->ack[acks[thread]].stamp != stamp || acked_seq != batch->seq)
			FAIL("stamp %" PRIu64 " was acknowledged as %" PRIu64 ", not %" PRIu64,
				stamp, acked_seq, batch->seq);
		acks[thread]++;
	}
	return 0;
}

static uint64_t
read_stamp(const char *kind, const char *id)
{
	struct gh_docs_found *found;
	int r = kit.docs.vt->get(kit.docs.self, GH_STR("t"), gh_str_of(kind), gh_str_of(id),
		&found);

	if (r == GH_ENOENT)
		return 0;
	if (r < 0)
		FAIL("%s %s: %d, %s", kind, id, r, kit_last_log());
	uint64_t stamp = stamp_of(found->docs[0].body);

	kit.docs.vt->found_free(found);
	return stamp;
}

/** How many documents of kind api an index gives. */
static uint64_t
count(const char *index, struct gh_str value)
{
	struct gh_find find = { .tenant = GH_STR("t"), .kind = GH_STR("api"), .index = index,
		.equal = &value, .equal_count = value.n > 0, .limit = GH_FIND_MAX };
	struct gh_docs_found *found;
	int r = kit.docs.vt->find(kit.docs.self, &find, &found);

	if (r < 0)
		FAIL("find: %d, %s", r, kit_last_log());
	uint64_t total = found->total;

	if (found->n != total)
		FAIL("find gives %zu of %" PRIu64, found->n, total);
	kit.docs.vt->found_free(found);
	return total;
}

static void
check_documents(unsigned thread)
{
	const struct track *track = &shared->track[thread];
	char id[20], api_id[40];

	snprintf(id, sizeof(id), "%u", thread);
	snprintf(api_id, sizeof(api_id), "%u/%u", thread, (unsigned)(track->last % API_DOCS));
	if (read_stamp("subscription", id) != track->last ||
	    read_stamp("consumer", id) != track->last ||
	    (track->last > 0 && read_stamp("api", api_id) != track->last))
		FAIL("documents of thread %u are not of stamp %" PRIu64, thread, track->last);
	if (read_stamp("user", id) < track->user_acked)
		FAIL("user %u of stamp %" PRIu64 " was acknowledged and is lost", thread,
			track->user_acked);
}

static void
run_verifier(void)
{
	size_t acks[THREADS] = { 0 };

	open_store();
	int r = kit.feed.vt->read(kit.feed.self, shared->verified_seq, 0, check_batch, acks);

	if (r != 0)
		FAIL("reading the feed: %d, %s", r, kit_last_log());
	for (unsigned i = 0; i < THREADS; i++) {
		struct track *track = &shared->track[i];

		if (acks[i] < track->acks)
			FAIL("thread %u: %zu acknowledged commits are lost", i,
				track->acks - acks[i]);
		check_documents(i);
		shared->total_acks += track->acks;
		track->acks = 0;
	}
	uint64_t documents = count(NULL, GH_STR_NONE);

	if (count("name_version", GH_STR_NONE) != documents ||
	    count("text", GH_STR("thread")) != documents)
		FAIL("the indexes do not have all %" PRIu64 " documents", documents);
	kit_close(&kit);
	_exit(0);
}

/* ---- The driver ---------------------------------------------------------------------------- */

static pid_t
start(void (*fn)(void))
{
	pid_t child = fork();

	if (child == 0) {
		fn();
		_exit(1);
	}
	if (child < 0)
		FAIL("fork: %s", strerror(errno));
	return child;
}

static int
wait_for(pid_t child)
{
	int status = 0;

	if (waitpid(child, &status, 0) != child)
		FAIL("waitpid: %s", strerror(errno));
	return status;
}

/** One life and death of a writer.  @return false: something was wrong. */
static bool
run_round(uint64_t life_us)
{
	struct timespec life = { 0, (long)life_us * 1000 };
	pid_t writer = start(run_writer);

	nanosleep(&life, NULL);
	kill(writer, SIGKILL);
	int status = wait_for(writer);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
		wait_for(start(run_verifier)) == 0;
}

int
main(int argc, char **argv)
{
	uint64_t kills = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : gh_now_us() | 1;
	uint64_t random = seed;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	if (shared == MAP_FAILED)
		FAIL("no shared memory");
	kit_state_dir(); /* made, and removed, by this process */
	for (uint64_t i = 1; i <= kills; i++) {
		if (!run_round(next_random(&random) % LIFE_MAX_US)) {
			fprintf(stderr, "round %" PRIu64 ", seed %" PRIu64 "\n", i, seed);
			return 1;
		}
	}
	printf("%" PRIu64 " kills, %" PRIu64 " commits found, %" PRIu64 " of them acknowledged: "
		"nothing is lost\n", kills, shared->verified_seq, shared->total_acks);
	return shared->total_acks > kills ? 0 : 1;
}
