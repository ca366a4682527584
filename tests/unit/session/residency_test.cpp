// Which networks are loaded when, and by whom.
#include "session/residency.h"

#include <gtest/gtest.h>

#include <future>

#include "support/errors.h"

namespace espalier {
namespace {

class Stone : public Network {
 public:
  [[nodiscard]] std::size_t weight_bytes() const override { return 10; }
};

constexpr std::size_t kPlanned = 10;

class Aside : public ::testing::Test {
 protected:
  void add(const std::string& role, ResidencyGroup group, bool on_demand = false) {
    residency.add(role, {group, kPlanned}, on_demand, [this, role]() -> std::unique_ptr<Network> {
      if (role == held_up) gate.get_future().wait();
      loaded.push_back(role);
      loaders.push_back(std::this_thread::get_id());
      if (role == failing) fail(ErrorCode::out_of_memory, "no room for ", role);
      return std::make_unique<Stone>();
    });
  }

  std::vector<std::string> loaded;  // in order
  std::vector<std::thread::id> loaders;
  std::string held_up, failing;  // roles
  std::promise<void> gate;       // until it is open, held_up is not loaded
  Residency residency;
};

TEST_F(Aside, WhatAJobNeedsFirstComesFirst) {
  add("decoder", ResidencyGroup::decode);
  add("encoder", ResidencyGroup::encode);
  add("flow", ResidencyGroup::latent);
  add("rare", ResidencyGroup::encode, true);
  held_up = "flow";
  residency.load_ahead(true);
  EXPECT_EQ(residency.resident_bytes(), 3 * kPlanned);  // what is on its way counts
  bool waited = false;
  (void)residency.acquire("encoder", waited);  // while the flow is held up
  gate.set_value();
  (void)residency.acquire("rare", waited);  // after all that is loaded ahead
  EXPECT_TRUE(waited);
  EXPECT_EQ(loaded, (std::vector<std::string>{"encoder", "flow", "decoder", "rare"}));
  EXPECT_NE(loaders[0], std::this_thread::get_id());
  EXPECT_EQ(loaders[3], std::this_thread::get_id());
  (void)residency.acquire("decoder", waited);
  EXPECT_FALSE(waited);
  EXPECT_EQ(residency.resident_bytes(), 4 * kPlanned);
}

TEST_F(Aside, AFailureIsThrownOnceAndThenTriedAgain) {
  add("encoder", ResidencyGroup::encode);
  add("flow", ResidencyGroup::latent);
  failing = "encoder";
  residency.load_ahead(true);
  bool waited = false;
  test::expect_error(ErrorCode::out_of_memory, {"no room for encoder"}, [&] { (void)residency.acquire("flow", waited); });
  failing.clear();
  (void)residency.acquire("flow", waited);
  (void)residency.acquire("encoder", waited);
  EXPECT_EQ(loaded, (std::vector<std::string>{"encoder", "flow", "encoder"}));
}

TEST_F(Aside, NobodyNeedsToAskForThem) {
  add("encoder", ResidencyGroup::encode);
  add("flow", ResidencyGroup::latent);
  residency.load_ahead(true);  // and the end
}

TEST_F(Aside, WithoutAThreadEverythingIsThereAtOnce) {
  add("flow", ResidencyGroup::latent);
  add("encoder", ResidencyGroup::encode);
  residency.load_ahead(false);
  EXPECT_EQ(loaded, (std::vector<std::string>{"encoder", "flow"}));
  EXPECT_EQ(residency.resident_bytes(), 2 * kPlanned);
}

}  // namespace
}  // namespace espalier
