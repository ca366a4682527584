#include "job_store.h"

#include <gtest/gtest.h>

#include <fstream>

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

}  // namespace
}  // namespace espalier::server
