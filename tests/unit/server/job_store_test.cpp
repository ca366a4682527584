#include "job_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "espalier/error.h"

namespace espalier::server {
namespace {

class Store : public ::testing::Test {
 protected:
  void SetUp() override { folder_ = std::filesystem::path(::testing::TempDir()) / ("store-" + JobStore::new_id()); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string add(JobStore& store) {
    Job job;
    job.id = JobStore::new_id();
    job.options = Json::object();
    const std::string id = job.id;
    std::filesystem::create_directory(store.folder_of(id));
    store.add(job, 10);
    return id;
  }

  std::filesystem::path folder_;
};

TEST_F(Store, AnEndedJobIsNotPutBack) {
  JobStore store(folder_);
  const std::string id = add(store);
  ASSERT_TRUE(store.take_next());
  store.add_file(id, {"asset.glb", "result", "glb", "model/gltf-binary", 0});
  store.end(id, {});
  store.put_back(id);
  const auto job = store.find(id);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, JobState::done);
  EXPECT_NE(job->file("asset.glb"), nullptr);
}

TEST_F(Store, JobsOfALoadedModelComeFirstButNotForEver) {
  JobStore store(folder_);
  const auto add_of = [&](const char* model) {
    Job job;
    job.id = JobStore::new_id();
    job.options = Json{{"model", model}};
    std::filesystem::create_directory(store.folder_of(job.id));
    return store.add(job, 100);
  };
  const auto taken = [&](const std::string& loaded) {
    const auto job = store.take_next(LaneKind::networks, loaded);
    return job ? job->id : std::string("none");
  };
  const std::string waiting = add_of("b");
  std::vector<std::string> others;
  for (int i = 0; i < kMostPasses + 2; ++i) others.push_back(add_of("a"));
  for (int i = 0; i < kMostPasses; ++i) EXPECT_EQ(taken("a"), others[static_cast<std::size_t>(i)]);
  EXPECT_EQ(taken("a"), waiting);
  EXPECT_EQ(taken("a"), others[kMostPasses]);
  EXPECT_EQ(taken("b"), others[kMostPasses + 1]);  // there is no other
  EXPECT_EQ(taken("b"), "none");
  // Who has nothing loaded takes what is first; and a job that names no model fits everybody.
  const std::string first = add_of("b"), second = add_of("a"), third = add_of("a");
  EXPECT_EQ(taken(""), first);
  const std::string any = add(store);
  EXPECT_EQ(taken("b"), second);
  EXPECT_EQ(taken("c"), third);
  EXPECT_EQ(taken("c"), any);
}

TEST_F(Store, CompanionsAreSetAlikeAndWereNeverBegun) {
  JobStore store(folder_);
  const auto add_of = [&](const Json& options, int images = 1, JobKind kind = JobKind::image) {
    Job job;
    job.id = JobStore::new_id();
    job.kind = kind;
    job.options = options;
    if (kind == JobKind::text) job.options["prompt"] = "a chair";
    std::filesystem::create_directory(store.folder_of(job.id));
    for (int i = 0; i < images; ++i) {
      const std::string name = "image-" + std::to_string(i) + ".png";
      std::ofstream(store.folder_of(job.id) / name) << "x";
      job.files.push_back({name, "input", "png", "image/png", 1});
    }
    return store.add(job, 100);
  };
  const Json quick{{"structure", {{"steps", 2}}}};
  const auto with = [&](const Json& more) {
    Json all = quick;
    all.update(more);
    return all;
  };
  const std::string first = add_of(with({{"seed", 1}}));
  const std::string steps = add_of({{"structure", {{"steps", 3}}}}), two_images = add_of(quick, 2);
  const std::string guidance = add_of(with({{"latent", {{"guidance", 2.0}}}}));
  const std::string second = add_of(with({{"seed", 2}, {"formats", {"stl"}}, {"texture_size", 512}}));
  const std::string prompt = add_of(quick, 0, JobKind::text), model = add_of(with({{"model", "other"}}));
  const std::string third = add_of(quick), fourth = add_of(quick);
  const auto ids_of = [](const JobQueue::Companions& found) {
    std::vector<std::string> ids;
    for (const Job& job : found.jobs) ids.push_back(job.id);
    return ids;
  };
  const auto taken = store.take_next();
  ASSERT_TRUE(taken);
  ASSERT_EQ(taken->id, first);
  store.pause(true);
  EXPECT_TRUE(store.take_companions(*taken, 9).jobs.empty());
  store.pause(false);
  EXPECT_EQ(ids_of(store.take_companions(*taken, 2)), (std::vector{second, third}));
  EXPECT_EQ(store.find(third)->state, JobState::running);
  EXPECT_EQ(store.find(fourth)->state, JobState::queued);
  // One that has lost a worker is begun again alone, as the first and as one of others.
  ASSERT_TRUE(store.try_again(third));
  EXPECT_EQ(ids_of(store.take_companions(*taken, 9)), std::vector{fourth});
  store.put_back(fourth);  // as if it had not run
  for (const std::string& id : {steps, two_images, guidance, prompt, model}) EXPECT_EQ(store.take_next()->id, id);
  const auto again = store.take_next();
  ASSERT_EQ(again->id, third);
  const JobQueue::Companions none = store.take_companions(*again, 9);
  EXPECT_TRUE(none.jobs.empty());
  EXPECT_TRUE(none.last);
  EXPECT_EQ(store.take_next()->id, fourth);
}

TEST_F(Store, AFolderThatIsInUseIsLeftAlone) {
  const JobStore store(folder_);
  std::ofstream(store.incoming() / (JobStore::new_id() + ".part")) << "on its way";
  EXPECT_THROW(JobStore second(folder_), Error);
  EXPECT_FALSE(std::filesystem::is_empty(store.incoming()));
}

TEST_F(Store, UploadsOfAnEarlierServerGo) {
  std::filesystem::create_directories(folder_ / "incoming");
  std::ofstream(folder_ / "incoming" / (JobStore::new_id() + ".part")) << "half";
  std::ofstream(folder_ / "incoming" / "letter.part") << "of somebody else";
  const JobStore store(folder_);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(store.incoming()), {}), 1);
}

namespace fs = std::filesystem;

// Ended jobs with a file each, in the order in which they were added.
std::vector<std::string> add_ended(JobStore& store, int count) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) {
    Job job;
    job.id = JobStore::new_id();
    job.name = "job " + std::to_string(i);
    job.options = Json{{"seed", i}};
    fs::create_directory(store.folder_of(job.id));
    store.add(job, 1000);
    EXPECT_TRUE(store.take_next());
    std::ofstream(store.folder_of(job.id) / "asset.glb") << "glTF";
    store.add_file(job.id, {"asset.glb", "result", "glb", "model/gltf-binary", 4});
    store.end(job.id, {JobState::done, nullptr, Json{{"faces", i}}, Json::array({"a notice"})});
    ids.push_back(job.id);
  }
  return ids;
}

std::vector<std::string> ids_of(JobStore& store) {
  std::vector<std::string> ids;
  for (const Job& job : store.list({}, 1000, INT64_MAX)) ids.insert(ids.begin(), job.id);
  return ids;
}

void expect_whole(JobStore& store, const std::vector<std::string>& ids) {
  ASSERT_EQ(ids_of(store), ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Job job = *store.find(ids[i]);
    EXPECT_EQ(job.state, JobState::done);
    EXPECT_EQ(job.name, "job " + std::to_string(i));
    EXPECT_EQ(job.options, (Json{{"seed", i}}));
    EXPECT_EQ(job.report, (Json{{"faces", i}}));
    EXPECT_EQ(job.notices, Json::array({"a notice"}));
    EXPECT_FALSE(job.finished.empty());
    ASSERT_EQ(job.files.size(), 1U);
    EXPECT_TRUE(fs::exists(store.folder_of(ids[i]) / "asset.glb"));
  }
}

std::size_t entries(const fs::path& folder) {
  std::error_code none;
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder, none), fs::directory_iterator()));
}

TEST_F(Store, ALostDatabaseIsMadeAgainFromTheFolders) {
  std::vector<std::string> ids;
  {
    JobStore store(folder_);
    ids = add_ended(store, 5);
  }
  const auto damages = std::vector<std::function<void()>>{[&] { fs::remove(folder_ / "espalier.db"); },
                                                          [&] { fs::resize_file(folder_ / "espalier.db", 0); },
                                                          [&] {  // a log without its database
                                                            fs::rename(folder_ / "espalier.db", folder_ / "espalier.db-wal");
                                                          }};
  for (const auto& damage : damages) {
    damage();
    JobStore store(folder_);
    expect_whole(store, ids);
    EXPECT_FALSE(store.notes().empty());
  }
  EXPECT_EQ(entries(folder_ / "lost"), 1U);  // the log
  JobStore store(folder_);
  EXPECT_TRUE(store.notes().empty());
  expect_whole(store, ids);
}

TEST_F(Store, ADatabaseWithoutItsLogIsBroughtUpToDate) {
  std::vector<std::string> ids;
  {
    JobStore store(folder_);
    ids = add_ended(store, 2);
  }
  const fs::path old = folder_.string() + ".old.db";
  fs::copy_file(folder_ / "espalier.db", old);
  {
    JobStore store(folder_);
    for (const std::string& id : add_ended(store, 3)) ids.push_back(id);
  }
  // As a backup that copied the database alone would have it.
  fs::copy_file(old, folder_ / "espalier.db", fs::copy_options::overwrite_existing);
  fs::remove(old);
  JobStore store(folder_);
  EXPECT_EQ(ids_of(store), ids);
  EXPECT_EQ(store.find(ids[4])->state, JobState::done);
  EXPECT_EQ(store.find(ids[4])->files.size(), 1U);
}

TEST_F(Store, RebuildTakesADamagedDatabaseAway) {
  std::vector<std::string> ids;
  {
    JobStore store(folder_);
    ids = add_ended(store, 3);
  }
  std::ofstream(folder_ / "espalier.db") << "this is no database, and long enough that nobody could take it for an empty one";
  try {
    const JobStore store(folder_);
    FAIL() << "a damaged database was opened";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--rebuild"), std::string::npos) << error.what();
  }
  JobStore store(folder_, true);
  expect_whole(store, ids);
  EXPECT_EQ(entries(folder_ / "lost"), 1U);
}

TEST_F(Store, NoDamagedPageGoesUnnoticed) {
  std::vector<std::string> ids;
  {
    JobStore store(folder_);
    ids = add_ended(store, 20);
  }
  const fs::path database = folder_ / "espalier.db", whole = folder_.string() + ".whole.db";
  fs::copy_file(database, whole);
  const auto refused = [&] {
    try {
      JobStore store(folder_);
      expect_whole(store, ids);  // nothing that matters was in that page
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.hint()).find("--rebuild"), std::string::npos) << error.what();
      return true;
    }
    return false;
  };
  constexpr std::size_t kPage = 4096;
  const std::size_t pages = fs::file_size(whole) / kPage;
  std::size_t refusals = 0;
  for (std::size_t page = 0; page < pages; ++page) {
    fs::copy_file(whole, database, fs::copy_options::overwrite_existing);
    std::fstream file(database, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(page * kPage + (page == 0 ? 100 : 0)));  // the file's head stays
    file << std::string(kPage - 100, '\x5A');
    file.close();
    refusals += refused() ? 1U : 0U;
  }
  EXPECT_GE(refusals, pages - 1);
  fs::remove(database);
  Database(database).run("CREATE TABLE jobs (a); PRAGMA user_version = 2");
  EXPECT_TRUE(refused());
  fs::remove(whole);
  JobStore store(folder_, true);
  expect_whole(store, ids);
}

TEST_F(Store, WhatCannotBeExplainedIsMovedToLost) {
  std::string id;
  {
    JobStore store(folder_);
    id = add_ended(store, 1).front();
  }
  const fs::path jobs = folder_ / "jobs";
  const std::string strange = JobStore::new_id();
  fs::create_directory(jobs / strange);
  std::ofstream(jobs / strange / "work.blend") << "years";
  std::ofstream(jobs / id / "notes.txt") << "mine";
  std::ofstream(jobs / id / ".espalier-12-0.part") << "half";
  std::ofstream(jobs / id / "asset.glb") << "another length";
  {
    JobStore store(folder_);
    EXPECT_GE(store.notes().size(), 3U);
    EXPECT_TRUE(store.find(id)->files.empty());
    EXPECT_EQ(entries(jobs / id), 1U);  // the record
    EXPECT_FALSE(fs::exists(jobs / strange));
  }
  std::vector<std::string> lost;
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "lost")) lost.push_back(file.path().filename().string());
  for (const char* name : {"work.blend", "notes.txt", "asset.glb"}) {
    EXPECT_TRUE(std::any_of(lost.begin(), lost.end(), [&](const std::string& l) { return l.ends_with(name); })) << name;
  }
}

TEST_F(Store, NothingBehindALinkIsTouched) {
  std::string id;
  {
    JobStore store(folder_);
    id = add_ended(store, 1).front();
  }
  const fs::path elsewhere = folder_.string() + ".elsewhere";
  fs::create_directory(elsewhere);
  std::ofstream(elsewhere / "thesis.txt") << "years of work";
  const fs::path job = folder_ / "jobs" / id;
  fs::remove_all(job);
  fs::create_directory_symlink(elsewhere, job);
  const fs::path stranger = folder_ / "jobs" / JobStore::new_id();
  fs::create_directory_symlink(elsewhere, stranger);
  {
    JobStore store(folder_);
    EXPECT_TRUE(fs::exists(elsewhere / "thesis.txt"));
    EXPECT_TRUE(fs::is_symlink(stranger));
    EXPECT_TRUE(store.remove(id));
  }
  EXPECT_TRUE(fs::exists(elsewhere / "thesis.txt"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(job)));
  fs::remove_all(elsewhere);
}

TEST_F(Store, ARemovalThatWasCutShortIsFinished) {
  std::vector<std::string> ids;
  {
    JobStore store(folder_);
    ids = add_ended(store, 2);
  }
  fs::rename(folder_ / "jobs" / ids[0], folder_ / "jobs" / (ids[0] + ".removed"));
  JobStore store(folder_);
  EXPECT_EQ(ids_of(store), std::vector{ids[1]});
  EXPECT_EQ(entries(folder_ / "jobs"), 1U);
  EXPECT_FALSE(fs::exists(folder_ / "lost"));
}

// Time as it passes while nobody sets the clock.
Moment after(const Moment& start, double days) {
  const std::chrono::duration<double, std::ratio<86400>> passed(days);
  return {start.wall + std::chrono::duration_cast<std::chrono::system_clock::duration>(passed),
          start.since_boot + std::chrono::duration_cast<std::chrono::nanoseconds>(passed)};
}

TEST_F(Store, OldJobsGoAfterASecondLookAndAFewAtATime) {
  JobStore store(folder_);
  const auto ids = add_ended(store, 25);
  const Moment start = Moment::now();
  EXPECT_TRUE(store.remove_old(30, 0, after(start, 29)).empty());
  EXPECT_TRUE(store.remove_old(30, 0, after(start, 30.1)).empty());  // the first look that finds them too old
  EXPECT_TRUE(store.remove_old(30, 0, after(start, 30.9)).empty());
  EXPECT_EQ(store.remove_old(30, 0, after(start, 31.2)), (std::vector{ids[0], ids[1]}));
  EXPECT_TRUE(store.remove_old(30, 0, after(start, 31.21)).empty());  // a quarter of an hour later, for the next job
  EXPECT_EQ(store.remove_old(30, 0, after(start, 31.3)), (std::vector{ids[2], ids[3]}));
  EXPECT_EQ(store.list({}, 100, INT64_MAX).size(), 21U);
}

TEST_F(Store, AClockThatIsWrongRemovesNothing) {
  const Moment start = Moment::now();
  {
    JobStore store(folder_);
    (void)add_ended(store, 10);
    EXPECT_TRUE(store.remove_old(30, 0, start).empty());
  }
  JobStore store(folder_);
  Moment ahead = start;  // wrong by forty days, at one start
  ahead.wall += std::chrono::hours(24 * 40);
  EXPECT_TRUE(store.remove_old(30, 0, ahead).empty());
  EXPECT_TRUE(store.remove_old(30, 0, after(ahead, 0.5)).empty());
  EXPECT_TRUE(store.remove_old(30, 0, after(start, 0.6)).empty());  // put right again
  EXPECT_TRUE(store.remove_old(30, 0, after(start, 2)).empty());
  // And wrong while the server runs: what was found by then is found again first.
  EXPECT_TRUE(store.remove_old(30, 0, after(start, 31)).empty());
  Moment jump = after(start, 31.1);
  jump.wall += std::chrono::hours(24 * 40);
  EXPECT_TRUE(store.remove_old(30, 0, jump).empty());
  EXPECT_EQ(store.list({}, 100, INT64_MAX).size(), 10U);
}

// A machine without a battery begins in 1970 and learns the time from the network.
TEST_F(Store, JobsThatEndedByAWrongClockAreAsOldAsItsCorrection) {
  JobStore store(folder_);
  const Moment start = Moment::now();
  EXPECT_TRUE(store.remove_old(30, 0, start).empty());
  (void)add_ended(store, 10);
  Moment right = after(start, 0.1);
  right.wall += std::chrono::hours(24 * 365 * 50);
  for (const double days : {0.0, 2.0, 29.0, 30.5}) EXPECT_TRUE(store.remove_old(30, 0, after(right, days)).empty()) << days;
  EXPECT_EQ(store.remove_old(30, 0, after(right, 32)).size(), 1U);
}

TEST_F(Store, TheLogIsEmptiedInQuietMoments) {
  JobStore store(folder_);
  (void)add_ended(store, 20);
  EXPECT_GT(fs::file_size(folder_ / "espalier.db-wal"), 0U);
  store.tidy();
  EXPECT_EQ(fs::file_size(folder_ / "espalier.db-wal"), 0U);
}

TEST_F(Store, SaysWhenItsFolderIsGone) {
  JobStore store(folder_);
  EXPECT_FALSE(store.trouble());
  const fs::path aside = folder_.string() + ".aside";
  fs::rename(folder_, aside);
  ASSERT_TRUE(store.trouble());
  EXPECT_NE(store.trouble()->hint().find("back in place"), std::string::npos) << store.trouble()->hint();
  EXPECT_EQ(store.trouble()->hint().find("free some space"), std::string::npos);
  fs::create_directories(folder_ / "jobs");  // another one of that name is not ours
  EXPECT_TRUE(store.trouble());
  fs::remove_all(folder_);
  fs::rename(aside, folder_);
  EXPECT_FALSE(store.trouble());
}

}  // namespace
}  // namespace espalier::server
