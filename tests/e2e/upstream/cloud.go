// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/s3"
)

const (
	// bucket is the one that the policy for OSS is for.
	bucket    = "cnfs-oss-backup"
	prefix    = "upstream"
	region    = "cn-hangzhou"
	zone      = "cn-hangzhou-k"
	accountID = "1000000000000001"

	// The access key is made up: only the simulated cloud knows it. It is the CSI driver's.
	ownerKeyID     = "LTAIowner"
	ownerKeySecret = "made-up"
)

// cloud is a simulated cloud, and beside it what it lacks: the S3 interface of OSS.
type cloud struct {
	*cloudsim.Cloud

	stateDir string
	// velero is who Velero is, and additional who it is to additional locations.
	velero, additional user
	servers            []*s3.Server
}

// user is a RAM user.
type user struct {
	name string
	// credentials is a file with the access key, as both the plugin and Velero's repositories read it.
	credentials string
	// s3URL is the bucket for this user.
	s3URL string
}

// instances are the nodes.
func instances() []string { return []string{"i-" + home, "i-" + away} }

// startCloud starts a simulated cloud at an address that Pods reach, with a bucket and RAM users who have the policies
// that this repository recommends.
func startCloud(ctx context.Context, checkout, address, dir string) (_ *cloud, err error) {
	c := &cloud{stateDir: filepath.Join(dir, "cloud"), velero: user{name: "velero"}, additional: user{name: "additional"}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	at := net.JoinHostPort(address, "0")
	account := cloudsim.Account{ID: accountID, OwnerKey: &cloudsim.AccessKey{ID: ownerKeyID, Secret: ownerKeySecret}}
	for _, u := range []*user{&c.velero, &c.additional} {
		key := cloudsim.AccessKey{ID: "LTAI" + u.name, Secret: "made-up"}
		allowed, err := policies(checkout)
		if err != nil {
			return nil, err
		}
		account.Users = append(account.Users, cloudsim.User{Name: u.name, Keys: []cloudsim.AccessKey{key}, Policies: allowed})
		u.credentials = filepath.Join(dir, u.name)
		profile := fmt.Appendf(nil, "[default]\naws_access_key_id=%s\naws_secret_access_key=%s\n", key.ID, key.Secret)
		if err := os.WriteFile(u.credentials, profile, 0o600); err != nil {
			return nil, err
		}
		server, err := s3.Serve(ctx, at, s3.New(bucket, region, key))
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, server)
		u.s3URL = "https://" + server.Address.String()
	}
	config := cloudsim.Config{
		Region:   region,
		Accounts: []cloudsim.Account{account},
		Buckets:  []oss.BucketConfig{{Name: bucket, Region: region, Owner: accountID}},
		ECS:      ecs.Config{Regions: []ecs.Region{{ID: region, Zones: []ecs.Zone{{ID: zone}}}}},
	}
	for _, id := range instances() {
		config.ECS.Instances = append(config.ECS.Instances, ecs.Instance{ID: id, Account: accountID, Zone: zone})
	}
	c.Cloud, err = cloudsim.Start(config, cloudsim.WithStateDir(c.stateDir), cloudsim.WithListen(cloudsim.Listen{
		OSS: at, RPC: at, Proxy: at, Admin: at,
	}))
	return c, err
}

// policies are those that this repository recommends.
func policies(checkout string) ([]account.Policy, error) {
	var found []account.Policy
	for _, file := range []string{"deploy/ram/oss.json", "deploy/ram/ecs.json"} {
		policy, err := account.ReadPolicy(filepath.Join(checkout, file))
		if err != nil {
			return nil, err
		}
		found = append(found, policy)
	}
	return found, nil
}

func (c *cloud) close() error {
	var err error
	for _, server := range c.servers {
		err = errors.Join(err, server.Close())
	}
	if c.Cloud != nil {
		err = errors.Join(err, c.Close())
	}
	return err
}
