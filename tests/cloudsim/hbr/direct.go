// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The methods of this file are for tests: they look into the service and change it without a call.

// ErrNotFound says that there is no such vault, container cluster, job or snapshot.
var ErrNotFound = errors.New("not found in the simulated HBR")

// VaultInfo describes a vault.
type VaultInfo struct {
	ID, Name, Account, Region string
	// Status is INITIALIZING, CREATED or ERROR.
	Status   string
	KMSKeyID string
}

// ClusterInfo describes a container cluster.
type ClusterInfo struct {
	ID         string `json:"id"`
	Account    string `json:"account"`
	Region     string `json:"region"`
	Identifier string `json:"identifier"`
	Name       string `json:"name,omitempty"`
	Token      string `json:"token"`
	// AgentStatus is MISS, UNKNOWN or READY.
	AgentStatus string `json:"agentStatus"`
}

// JobInfo describes a backup or a restore job.
type JobInfo struct {
	ID, Name, Account, Region, Vault, Plan string
	// Kind is NAS, OSS or CONTAINER.
	Kind   string
	Status string
	// Message is what ErrorMessage says, or will say when the job ends.
	Message           string
	Created, Finished time.Time
}

// SnapshotInfo describes a snapshot.
type SnapshotInfo struct {
	ID, Hash, Account, Region, Vault, Job, Kind string
	// Begun is when the job began, which is before it looked at what there is.
	Begun time.Time
	// Expires is zero for a snapshot that stays for ever.
	Expires time.Time
}

// Inventory is what an account has in all regions, as "<region>/<id>" in alphabetical order.
type Inventory struct {
	Vaults    []string `json:"vaults,omitempty"`
	Clusters  []string `json:"clusters,omitempty"`
	Plans     []string `json:"plans,omitempty"`
	Snapshots []string `json:"snapshots,omitempty"`
	// Running are the jobs that have not ended.
	Running []string `json:"running,omitempty"`
}

// AddAgent registers a Cloud Backup client on a node of a container cluster, or replaces the one that is there. The
// cluster's agents are heard of then. A real client knows its token alone: without Cluster it is that of the token.
func (s *Service) AddAgent(a Agent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Cluster == "" && a.Token != "" {
		for _, c := range s.clusters {
			if c.token == a.Token {
				a.Cluster = c.id
			}
		}
	}
	if err := s.addAgent(a); err != nil {
		return err
	}
	s.clusters[a.Cluster].silent = false
	return nil
}

// RemoveAgent takes the client of a node away. Its jobs fail.
func (s *Service) RemoveAgent(clusterID, node string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clusters[clusterID]
	if !ok {
		return fmt.Errorf("container cluster %s: %w", clusterID, ErrNotFound)
	}
	now := s.now()
	err := s.settle(now)
	if _, ok := c.agents[node]; ok {
		delete(c.agents, node)
		err = errors.Join(err, s.abandon(clusterID, node, now))
	}
	return err
}

// SilenceAgents makes the status of a cluster's agents UNKNOWN, until one registers.
func (s *Service) SilenceAgents(clusterID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clusters[clusterID]
	if !ok {
		return fmt.Errorf("container cluster %s: %w", clusterID, ErrNotFound)
	}
	c.silent = true
	return nil
}

// DeleteVault deletes a vault with all that is in it, as a person does in the console.
func (s *Service) DeleteVault(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.vaults[id]
	if !ok {
		return fmt.Errorf("vault %s: %w", id, ErrNotFound)
	}
	return s.removeVault(v)
}

// Advance lets time pass in this service alone: signatures and sessions go by the cloud's own clock.
func (s *Service) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
	// What can not be removed of an expired snapshot Close removes.
	_ = s.settle(s.now())
}

// SetDurations replaces the durations. What has been begun ends as it would have.
func (s *Service) SetDurations(d Durations) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durations = d
}

// Settle does what the time that has passed brings with it: jobs copy, and snapshots expire. Every call does so, Advance,
// and the methods that return jobs and snapshots. It is for a test that moves the cloud's clock and then looks at files.
func (s *Service) Settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settle(s.now())
}

// Vaults returns all vaults in the order in which they were made.
func (s *Service) Vaults() []VaultInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]VaultInfo, 0, len(s.vaults))
	for _, v := range inOrder(s.vaults) {
		all = append(all, VaultInfo{
			ID: v.id, Name: v.name, Account: v.account, Region: v.region, Status: v.status(s.now()), KMSKeyID: v.kmsKeyID,
		})
	}
	return all
}

// Clusters returns all container clusters in the order in which they were registered.
func (s *Service) Clusters() []ClusterInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]ClusterInfo, 0, len(s.clusters))
	for _, c := range inOrder(s.clusters) {
		all = append(all, ClusterInfo{
			ID: c.id, Account: c.account, Region: c.region, Identifier: c.identifier, Name: c.name, Token: c.token,
			AgentStatus: c.agentStatus(),
		})
	}
	return all
}

// BackupProgress tells how far a backup job is, in hundredths of a percent.
func (s *Service) BackupProgress(id string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.backups[id]
	if !ok {
		return 0, fmt.Errorf("backup job %s: %w", id, ErrNotFound)
	}
	return b.view(s.now()).Progress, nil
}

// BackupJobs returns all backup jobs in the order in which they were made.
func (s *Service) BackupJobs() ([]JobInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	err := s.settle(now)
	all := make([]JobInfo, 0, len(s.backups))
	for _, b := range inOrder(s.backups) {
		info := b.describe(now)
		info.Name, info.Plan = b.name, b.plan
		all = append(all, info)
	}
	return all, err
}

// RestoreJobs returns all restore jobs in the order in which they were made.
func (s *Service) RestoreJobs() ([]JobInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	err := s.settle(now)
	all := make([]JobInfo, 0, len(s.restores))
	for _, r := range inOrder(s.restores) {
		all = append(all, r.describe(now))
	}
	return all, err
}

func (j *job) describe(now time.Time) JobInfo {
	return JobInfo{
		ID: j.id, Account: j.account, Region: j.region, Vault: j.vault, Kind: j.kind, Status: j.status(now),
		Message: j.message, Created: j.created, Finished: j.finished,
	}
}

// Snapshots returns all snapshots that have not expired, in the order in which they were made.
func (s *Service) Snapshots() ([]SnapshotInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.settle(s.now())
	all := make([]SnapshotInfo, 0, len(s.snapshots))
	for _, item := range inOrder(s.snapshots) {
		all = append(all, SnapshotInfo{
			ID: item.id, Hash: item.hash, Account: item.account, Region: item.region, Vault: item.vault, Job: item.job,
			Kind: item.kind, Begun: item.begun, Expires: item.expires(),
		})
	}
	return all, err
}

// SnapshotDir returns the directory that is the content of a snapshot of a NAS file system or a container's volume.
func (s *Service) SnapshotDir(id string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.snapshots[id]
	if !ok || item.kind == kindOSS {
		return "", fmt.Errorf("snapshot %s of a directory: %w", id, ErrNotFound)
	}
	return s.content(item.job), nil
}

// Inventory returns what an account has.
func (s *Service) Inventory(account string) (Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.settle(s.now())
	all := Inventory{
		Vaults: names(s.vaults, account), Clusters: names(s.clusters, account), Plans: names(s.plans, account),
		Snapshots: names(s.snapshots, account),
	}
	for _, b := range s.backups {
		if b.account == account && !b.hasEnded() {
			all.Running = append(all.Running, b.region+"/"+b.id)
		}
	}
	for _, r := range s.restores {
		if r.account == account && !r.hasEnded() {
			all.Running = append(all.Running, r.region+"/"+r.id)
		}
	}
	slices.Sort(all.Running)
	return all, err
}

// names returns the resources of an account.
func names[T owned](all map[string]T, account string) []string {
	var some []string
	for _, item := range all {
		if c := item.common(); c.account == account {
			some = append(some, c.region+"/"+c.id)
		}
	}
	slices.Sort(some)
	return some
}
