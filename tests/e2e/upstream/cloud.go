// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ca"
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
	// instance is the node.
	instance = "i-node"

	// The access keys are made up: only the simulated cloud knows them. Velero has the one, the CSI driver the other.
	accessKeyID     = "LTAIupstream"
	accessKeySecret = "made-up"
	ownerKeyID      = "LTAIowner"
	ownerKeySecret  = "made-up-too"
)

// cloud is a simulated cloud, and beside it what it lacks: the S3 interface of OSS.
type cloud struct {
	*cloudsim.Cloud

	stateDir string
	s3       *http.Server
	s3URL    string
	// dotenv and profile are files with Velero's access key: as the plugin takes it, and as both it and Velero's
	// repositories do.
	dotenv, profile string
}

// startCloud starts a simulated cloud at an address that Pods reach, with a bucket and a RAM user who has the policies
// that this repository recommends.
func startCloud(checkout, address, dir string) (_ *cloud, err error) {
	c := &cloud{
		stateDir: filepath.Join(dir, "cloud"),
		dotenv:   filepath.Join(dir, "credentials"), profile: filepath.Join(dir, "profile"),
	}
	key := cloudsim.AccessKey{ID: accessKeyID, Secret: accessKeySecret}
	err = errors.Join(
		os.WriteFile(c.dotenv, fmt.Appendf(nil, "ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", key.ID, key.Secret), 0o600),
		os.WriteFile(c.profile, fmt.Appendf(nil, "[default]\naws_access_key_id=%s\naws_secret_access_key=%s\n", key.ID, key.Secret), 0o600),
	)
	if err != nil {
		return nil, err
	}
	user := cloudsim.User{Name: "velero", Keys: []cloudsim.AccessKey{key}}
	if user.Policies, err = policies(checkout); err != nil {
		return nil, err
	}
	at := net.JoinHostPort(address, "0")
	c.Cloud, err = cloudsim.Start(cloudsim.Config{
		Region: region,
		Accounts: []cloudsim.Account{{
			ID: accountID, OwnerKey: &cloudsim.AccessKey{ID: ownerKeyID, Secret: ownerKeySecret}, Users: []cloudsim.User{user},
		}},
		Buckets: []oss.BucketConfig{{Name: bucket, Region: region, Owner: accountID}},
		ECS: ecs.Config{
			Regions:   []ecs.Region{{ID: region, Zones: []ecs.Zone{{ID: zone}}}},
			Instances: []ecs.Instance{{ID: instance, Account: accountID, Zone: zone}},
		},
	}, cloudsim.WithStateDir(c.stateDir), cloudsim.WithListen(cloudsim.Listen{OSS: at, RPC: at, Proxy: at, Admin: at}))
	if err != nil {
		return nil, err
	}
	if err := c.serveS3(at, key); err != nil {
		return nil, errors.Join(err, c.Cloud.Close())
	}
	return c, nil
}

// policies are those that this repository recommends.
func policies(checkout string) ([]account.Policy, error) {
	var found []account.Policy
	for _, file := range []string{"deploy/ram/oss.json", "deploy/ram/ecs.json"} {
		data, err := os.ReadFile(filepath.Join(checkout, file))
		if err != nil {
			return nil, err
		}
		policy, err := account.ParsePolicy(data)
		if err != nil {
			return nil, fmt.Errorf("reading the RAM policy %s: %w", file, err)
		}
		found = append(found, policy)
	}
	return found, nil
}

// serveS3 serves a bucket over TLS, where clients of S3 do not sign parts of their bodies: OSS takes none that they do.
func (c *cloud) serveS3(address string, key cloudsim.AccessKey) error {
	authority, err := ca.New()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	c.s3URL = "https://" + listener.Addr().String()
	c.s3 = &http.Server{Handler: s3.New(bucket, region, key), TLSConfig: authority.TLSConfig(), ReadHeaderTimeout: time.Minute}
	go func() { _ = c.s3.ServeTLS(listener, "", "") }() // It ends with close.
	return nil
}

func (c *cloud) close() error {
	return errors.Join(c.s3.Shutdown(context.Background()), c.Cloud.Close())
}
