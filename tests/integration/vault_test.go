// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

const (
	// prefix is the folder of every location in its bucket.
	prefix = "velero"
	// secretKey is the key of the credentials file in a location's Secret.
	secretKey = "cloud"
)

// vault is a backup storage location with a bucket and a RAM user of its own. The location, its Secret and the user
// have the vault's name.
type vault struct {
	*suite

	name    string
	account string
	bucket  string
	key     cloudsim.AccessKey
}

// vaultOptions say what is not as in every vault.
type vaultOptions struct {
	bucket oss.BucketConfig
	// account owns the bucket and the user, by default accountID.
	account string
	// policy is the user's, by default deploy/ram/oss.json for the vault's bucket.
	policy string
	// more are further policies of the user.
	more []string
	// config replaces keys of the location's config. An empty value removes one.
	config map[string]string
	// location changes the location before it is created.
	location func(*velerov1.BackupStorageLocation)
}

// newVault creates the bucket, the user, the Secret and the location. The location ends with the test, so that Velero
// need not check it any more.
func (s *suite) newVault(t *testing.T, name string, options vaultOptions) *vault {
	t.Helper()
	v := &vault{suite: s, name: name, account: cmp.Or(options.account, accountID), bucket: "cnfs-oss-" + name}
	v.createBucket(t, options.bucket)
	v.createUser(t, options)
	v.key = v.newKey(t)
	v.writeSecret(t, dotenv(v.key))
	v.createLocation(t, options)
	return v
}

// newAvailableVault is newVault, and waits until Velero says that it is available.
func (s *suite) newAvailableVault(t *testing.T, name string, options vaultOptions) *vault {
	t.Helper()
	v := s.newVault(t, name, options)
	v.waitAvailable(t)
	return v
}

func (v *vault) createBucket(t *testing.T, config oss.BucketConfig) {
	t.Helper()
	config.Name = v.bucket
	if config.Region == "" {
		config.Region = region
	}
	if config.Owner == "" {
		config.Owner = v.account
	}
	must(t, v.cloud.OSS().CreateBucket(config))
	v.buckets.add(v.bucket)
}

func (v *vault) createUser(t *testing.T, options vaultOptions) {
	t.Helper()
	var parsed []account.Policy
	for _, policy := range append([]string{cmp.Or(options.policy, shippedPolicy(t, v.bucket))}, options.more...) {
		one, err := account.ParsePolicy([]byte(policy))
		must(t, err)
		parsed = append(parsed, one)
	}
	must(t, v.cloud.Accounts().AddUser(v.account, v.name, parsed...))
}

// Policies in deploy/ram.
const (
	policyBucket    = "oss.json"
	policyAgentless = "hbr-agentless.json"
	policyNode      = "hbr-node.json"
	policyDisks     = "ecs.json"
)

// ramPolicy is a file in deploy/ram.
func ramPolicy(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile("../../deploy/ram/" + name)
	must(t, err)
	return string(content)
}

// shippedPolicy is policyBucket with the bucket's name in it.
func shippedPolicy(t *testing.T, bucket string) string {
	t.Helper()
	return strings.ReplaceAll(ramPolicy(t, policyBucket), "cnfs-oss-backup", bucket)
}

// newKey gives the vault's user one more access key.
func (v *vault) newKey(t *testing.T) cloudsim.AccessKey {
	t.Helper()
	key := cloudsim.AccessKey{ID: "LTAI" + rand.Text(), Secret: v.secrets.keep(rand.Text())}
	must(t, v.cloud.Accounts().CreateKey(account.UserARN(v.account, v.name), key.ID, key.Secret))
	return key
}

// dotenv is a credentials file as "velero install --secret-file" takes it.
func dotenv(key cloudsim.AccessKey) string {
	return fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", key.ID, key.Secret)
}

// writeSecret creates or replaces the Secret that the location names.
func (v *vault) writeSecret(t *testing.T, credentialsFile string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: inVelero(v.name), StringData: map[string]string{secretKey: credentialsFile}}
	err := v.cp.Client.Create(t.Context(), secret)
	if err != nil && client.IgnoreAlreadyExists(err) == nil {
		err = v.cp.Client.Update(t.Context(), secret)
	}
	must(t, err)
}

func (v *vault) createLocation(t *testing.T, options vaultOptions) {
	t.Helper()
	config := map[string]string{"region": region, "endpoint": v.cloud.OSSURL()}
	maps.Copy(config, options.config)
	maps.DeleteFunc(config, func(_, value string) bool { return value == "" })
	location := &velerov1.BackupStorageLocation{
		ObjectMeta: inVelero(v.name),
		Spec: velerov1.BackupStorageLocationSpec{
			Provider:    "alibabacloud",
			Config:      config,
			StorageType: velerov1.StorageType{ObjectStorage: &velerov1.ObjectStorageLocation{Bucket: v.bucket, Prefix: prefix}},
			Credential: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: v.name}, Key: secretKey,
			},
		},
	}
	if options.location != nil {
		options.location(location)
	}
	v.create(t, location)
	t.Cleanup(func() {
		if err := v.cp.Client.Delete(context.WithoutCancel(t.Context()), location); err != nil {
			t.Errorf("deleting the location %s: %v", v.name, err)
		}
	})
}

func (v *vault) location(ctx context.Context) (*velerov1.BackupStorageLocation, error) {
	location := &velerov1.BackupStorageLocation{}
	return location, v.get(ctx, v.name, location)
}

// waitAvailable waits until Velero says that the location is available.
func (v *vault) waitAvailable(t *testing.T) {
	t.Helper()
	v.waitAvailableSince(t, time.Time{})
}

// waitAvailableSince waits until Velero has looked at the location after a moment, and says that it is available. It looks
// at one location at a time, so that no look from before goes on then. The time of a look is in whole seconds, cut off.
func (v *vault) waitAvailableSince(t *testing.T, moment time.Time) {
	t.Helper()
	eventually(t, "the location "+v.name+" to be Available", func(ctx context.Context) error {
		location, err := v.location(ctx)
		if err != nil {
			return err
		}
		status := location.Status
		if at := status.LastValidationTime; at == nil || !at.After(moment) || status.Phase != velerov1.BackupStorageLocationPhaseAvailable {
			return fmt.Errorf("it is %q, as it was found at %s: %s", status.Phase, at, status.Message)
		}
		return nil
	})
}

// waitUnavailable waits until Velero says that the location is unavailable, and why in all of the words.
func (v *vault) waitUnavailable(t *testing.T, why ...string) {
	t.Helper()
	eventually(t, "the location "+v.name+" to be Unavailable", func(ctx context.Context) error {
		location, err := v.location(ctx)
		if err != nil {
			return err
		}
		switch location.Status.Phase {
		case velerov1.BackupStorageLocationPhaseUnavailable:
			return wantText(location.Status.Message, why...)
		case velerov1.BackupStorageLocationPhaseAvailable:
			return errors.New("it is Available")
		}
		return errors.New("it has not been checked")
	})
}

// waitUnavailableAtOnce is waitUnavailable for a location that must never have been Available.
func (v *vault) waitUnavailableAtOnce(t *testing.T, why ...string) {
	t.Helper()
	eventually(t, "the location "+v.name+" to be checked", func(ctx context.Context) error {
		location, err := v.location(ctx)
		switch {
		case err != nil:
			return err
		case location.Status.Phase == "":
			return errors.New("it has no phase")
		case location.Status.Phase != velerov1.BackupStorageLocationPhaseUnavailable:
			return poll.Permanent(fmt.Errorf("it is %s", location.Status.Phase))
		}
		if err := wantText(location.Status.Message, why...); err != nil {
			return poll.Permanent(err)
		}
		return nil
	})
}

// change changes the location.
func (v *vault) change(t *testing.T, edit func(*velerov1.BackupStorageLocation)) {
	t.Helper()
	location, err := v.location(t.Context())
	must(t, err)
	before := location.DeepCopy()
	edit(location)
	must(t, v.cp.Client.Patch(t.Context(), location, client.MergeFrom(before)))
}

// keys are the keys of the bucket's objects below the location's prefix and dir.
func (v *vault) keys(dir string) []string {
	keys := []string{}
	for _, object := range v.cloud.OSS().Objects(v.bucket) {
		if key, ok := strings.CutPrefix(object.Key, prefix+"/"+dir); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// requests are the requests for the vault's bucket or its objects.
func (v *vault) requests() []journal.Entry {
	var requests []journal.Entry
	for _, entry := range v.cloud.Journal().Entries() {
		if entry.Service == "oss" && (entry.Resource == v.bucket || strings.HasPrefix(entry.Resource, v.bucket+"/")) {
			requests = append(requests, entry)
		}
	}
	return requests
}
