// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Config is what a Service starts with. In YAML and JSON durations are strings such as "30s".
type Config struct {
	// Vaults are CREATED from the start.
	Vaults    []VaultConfig   `json:"vaults,omitempty"`
	Clusters  []ClusterConfig `json:"clusters,omitempty"`
	Durations Durations       `json:"durations,omitzero"`
	// AllowEqualVaultNames lets an account have vaults of one name in a region. What the cloud does is not documented;
	// by default it is refused.
	AllowEqualVaultNames bool `json:"allowEqualVaultNames,omitempty"`
	// KeepJobsOfDeletedPlans lets the jobs of a plan outlive it, running ones too. By default they go with it, as the
	// reference of DeleteBackupPlan says; that of ended ones is sure, that of running ones is read from it.
	KeepJobsOfDeletedPlans bool `json:"keepJobsOfDeletedPlans,omitempty"`
	// NumericCode makes the Code of successful answers a number. The cloud is known to do both.
	NumericCode bool `json:"numericCode,omitempty"`
	// DenialCode is the code of a denial by RAM. Empty means NoPermission.
	DenialCode rpc.DenialCode `json:"denialCode,omitempty"`
}

// VaultConfig is a vault that exists from the start.
type VaultConfig struct {
	// ID is unique. Empty means a random one.
	ID      string `json:"id,omitempty"`
	Name    string `json:"name"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// KMSKeyID makes the vault one that is encrypted with a key.
	KMSKeyID string `json:"kmsKeyID,omitempty"`
}

// ClusterConfig is a container cluster that has been registered from the start.
type ClusterConfig struct {
	// ID is unique. Empty means a random one.
	ID      string `json:"id,omitempty"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Identifier is the id of the cluster in Container Service.
	Identifier string `json:"identifier"`
	Name       string `json:"name,omitempty"`
	// Token is what the agents register with. Empty means a random one.
	Token string `json:"token,omitempty"`
	// Agents are those of the cluster. Their field Cluster is filled in.
	Agents []Agent `json:"agents,omitempty"`
}

// Durations say how long the states last that pass by themselves. Zero is no time at all.
type Durations struct {
	// Vault is how long a vault is INITIALIZING.
	Vault metav1.Duration `json:"vault,omitzero"`
	// Backup and Restore are how long a job is RUNNING.
	Backup  metav1.Duration `json:"backup,omitzero"`
	Restore metav1.Duration `json:"restore,omitzero"`
	// Cancel is how long a job is CANCELING.
	Cancel metav1.Duration `json:"cancel,omitzero"`
	// Listing is how long a snapshot is in no list after its job has ended. It can be restored and deleted by its id.
	Listing metav1.Duration `json:"listing,omitzero"`
}

// load puts what is configured into an empty service.
func (s *Service) load(c Config) error {
	for _, v := range c.Vaults {
		if v.Account == "" || v.Region == "" || v.Name == "" {
			return fmt.Errorf("vault %q: name, account and region are required", v.Name)
		}
		if v.ID == "" {
			v.ID = newID(prefixVault)
		}
		if s.vaults[v.ID] != nil {
			return fmt.Errorf("vault %s: the id is not unique", v.ID)
		}
		s.vaults[v.ID] = &vault{
			resource: resource{id: v.ID, account: v.Account, region: v.Region, created: s.now(), sequence: s.next()},
			name:     v.Name, kmsKeyID: v.KMSKeyID, ready: s.now(),
		}
	}
	for _, c := range c.Clusters {
		if err := s.loadCluster(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) loadCluster(c ClusterConfig) error {
	if c.Account == "" || c.Region == "" || c.Identifier == "" {
		return errors.New("a container cluster lacks account, region or identifier")
	}
	if c.ID == "" {
		c.ID = newID(prefixCluster)
	}
	if s.clusters[c.ID] != nil {
		return fmt.Errorf("container cluster %s: the id is not unique", c.ID)
	}
	if c.Token == "" {
		c.Token = newToken()
	}
	s.clusters[c.ID] = &cluster{
		resource:   resource{id: c.ID, account: c.Account, region: c.Region, created: s.now(), sequence: s.next()},
		identifier: c.Identifier, name: c.Name, kind: clusterACK, network: networkVPC, token: c.Token,
		agents: map[string]Agent{},
	}
	for _, a := range c.Agents {
		a.Cluster = c.ID
		if err := s.addAgent(a); err != nil {
			return err
		}
	}
	return nil
}
