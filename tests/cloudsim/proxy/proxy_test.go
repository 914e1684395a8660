// SPDX-License-Identifier: Apache-2.0

package proxy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/proxy"
)

func TestFind(t *testing.T) {
	t.Parallel()
	type found struct {
		Service  proxy.Service
		Internal bool
	}
	tests := map[string]struct {
		host string
		want found
	}{
		"a bucket at the public endpoint":   {"backups.oss-cn-hangzhou.aliyuncs.com", found{proxy.OSS, false}},
		"a bucket at the internal endpoint": {"backups.oss-cn-hangzhou-internal.aliyuncs.com", found{proxy.OSS, true}},
		"OSS without a bucket":              {"OSS-cn-hangzhou.aliyuncs.com", found{proxy.OSS, false}},
		"the dual-stack endpoint":           {"backups.cn-hangzhou.oss.aliyuncs.com", found{proxy.OSS, false}},
		"the accelerate endpoint":           {"backups.oss-accelerate.aliyuncs.com", found{proxy.OSS, false}},
		"a bucket named after a product":    {"sts.oss-cn-hangzhou.aliyuncs.com", found{proxy.OSS, false}},
		"an RPC endpoint":                   {"ecs.cn-hangzhou.aliyuncs.com", found{proxy.RPC, false}},
		"a VPC endpoint":                    {"sts-vpc.cn-hangzhou.aliyuncs.com", found{proxy.RPC, true}},
		"the metadata service":              {"100.100.100.200", found{proxy.Metadata, false}},
		"another address":                   {"100.100.100.201", found{}},
		"another domain":                    {"oss-cn-hangzhou.example.com", found{}},
		"a name that ends alike":            {"notaliyuncs.com", found{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, internal := proxy.Find(tt.host)
			if diff := cmp.Diff(tt.want, found{service, internal}); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}
