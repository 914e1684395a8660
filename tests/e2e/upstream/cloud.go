// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

const (
	// bucket is the one that the policy for OSS is for.
	bucket    = "cnfs-oss-backup"
	prefix    = "upstream"
	region    = "cn-hangzhou"
	zone      = "cn-hangzhou-k"
	accountID = "1000000000000001"

	// The access key is made up: only the simulated cloud knows it.
	accessKeyID     = "LTAIupstream"
	accessKeySecret = "made-up"
)

// startCloud starts a simulated cloud at an address that Pods reach, with a bucket and a RAM user who has the policies
// that this repository recommends.
func startCloud(checkout, address, stateDir string) (*cloudsim.Cloud, error) {
	user := cloudsim.User{Name: "velero", Keys: []cloudsim.AccessKey{{ID: accessKeyID, Secret: accessKeySecret}}}
	for _, file := range []string{"deploy/ram/oss.json", "deploy/ram/ecs.json"} {
		data, err := os.ReadFile(filepath.Join(checkout, file))
		if err != nil {
			return nil, err
		}
		policy, err := account.ParsePolicy(data)
		if err != nil {
			return nil, fmt.Errorf("reading the RAM policy %s: %w", file, err)
		}
		user.Policies = append(user.Policies, policy)
	}
	listen := net.JoinHostPort(address, "0")
	return cloudsim.Start(cloudsim.Config{
		Region:   region,
		Accounts: []cloudsim.Account{{ID: accountID, Users: []cloudsim.User{user}}},
		Buckets:  []oss.BucketConfig{{Name: bucket, Region: region, Owner: accountID}},
		ECS:      ecs.Config{Regions: []ecs.Region{{ID: region, Zones: []ecs.Zone{{ID: zone}}}}},
	}, cloudsim.WithStateDir(stateDir), cloudsim.WithListen(cloudsim.Listen{OSS: listen, RPC: listen}))
}

// writeCredentials writes the access key as the plugin takes it.
func writeCredentials(file string) error {
	text := fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", accessKeyID, accessKeySecret)
	return os.WriteFile(file, []byte(text), 0o600)
}
