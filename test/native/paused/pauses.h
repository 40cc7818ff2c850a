// What happens at the pauses of the core (percpu/pause.h) in these tests: at random nothing, sched_yield(), a
// short sleep; where a test allows it also a move to another CPU, or a signal whose handler adds.
#pragma once

#include <cstdint>

#include "percpu/pause.h"

enum PauseAction : uint8_t { kYield, kSleep, kMigrate, kSignal, kActions };

constexpr uint32_t kPoints = static_cast<uint32_t>(percpu::PausePoint::kPoints);

// Which actions may happen, as a set of bits; default: yielding and sleeping. Set before threads are made.
inline constexpr uint32_t Bit(PauseAction action) {
  return 1u << action;
}
extern uint32_t allowed_actions;
// One pause in so many passes does something. A power of two.
extern uint32_t pause_period;

// How often an action has happened at a point.
extern uint64_t pauses_taken[kPoints][kActions];
// Threads that were on another CPU after a pause that moved them.
extern uint64_t migrations_seen;

// Gives the calling thread its own sequence of pauses.
void SeedPauses(uint64_t seed);
// Installs the handler of the signal that kSignal raises; it is called with the thread's own pauses switched
// off.
void OnPauseSignal(void (*handler)());
