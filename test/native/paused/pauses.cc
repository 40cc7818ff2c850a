#include "pauses.h"

#include <sched.h>
#include <csignal>
#include <ctime>

#include "../check.h"
#include "../random.h"
#include "cpu/affinity.h"

uint32_t allowed_actions = Bit(kYield) | Bit(kSleep);
uint32_t pause_period = 64;
uint64_t pauses_taken[kPoints][kActions];
uint64_t migrations_seen;

extern "C" {
uint32_t percpu_rseq_spins = 0;
uint64_t percpu_rseq_aborts = 0;
}

namespace {

thread_local uint64_t state = 0;
thread_local bool in_handler = false;
void (*signal_handler)() = nullptr;

void Count(uint64_t* count) {
  __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

// To a CPU this process may use and the thread is not on, where there is one.
void Migrate(uint64_t choice) {
  static percpu::CpuSet allowed;
  static const bool read = percpu::ReadAffinity(0, &allowed) == 0;
  if (!read) return;
  const int before = sched_getcpu();
  const auto cpus = static_cast<uint32_t>(allowed.capacity());
  for (uint32_t i = 0; i < cpus; i++) {
    const uint32_t cpu = static_cast<uint32_t>(choice + i) % cpus;
    if (!allowed.Has(cpu) || static_cast<int>(cpu) == before) continue;
    percpu::PinCallingThread(cpu);
    break;
  }
  if (sched_getcpu() != before) Count(&migrations_seen);
}

void HandleSignal(int) {
  const bool outer = in_handler;
  in_handler = true;
  signal_handler();
  in_handler = outer;
}

}  // namespace

void SeedPauses(uint64_t seed) {
  state = seed | 1;
}

void OnPauseSignal(void (*handler)()) {
  signal_handler = handler;
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  action.sa_flags = SA_RESTART;
  CHECK_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
}

void percpu::PauseAt(PausePoint point) {
  if (in_handler) return;
  if (state == 0) state = reinterpret_cast<uintptr_t>(&state) | 1;
  // xorshift64: a pause that does nothing must cost next to nothing.
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  if ((state & (pause_period - 1)) != 0) return;
  const uint64_t bits = Random(state).Next();
  // Sleeping is rare: it takes as long as fifty of the others.
  constexpr PauseAction kCommon[] = {kYield, kMigrate, kSignal};
  const PauseAction action = bits % 64 == 0 ? kSleep : kCommon[bits % 3];
  if ((allowed_actions & Bit(action)) == 0) return;
  Count(&pauses_taken[static_cast<uint32_t>(point)][action]);
  const timespec moment = {0, static_cast<long>(bits >> 44)};
  switch (action) {
    case kYield:
      sched_yield();
      break;
    case kSleep:
      nanosleep(&moment, nullptr);
      break;
    case kMigrate:
      Migrate(bits >> 8);
      break;
    default:
      raise(SIGUSR1);
  }
}
