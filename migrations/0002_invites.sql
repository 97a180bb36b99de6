CREATE TABLE `invite_exclusions` (
	`invite_id` text NOT NULL,
	`user_id` text NOT NULL,
	PRIMARY KEY(`invite_id`, `user_id`)
);
--> statement-breakpoint
CREATE INDEX `builds_user_created` ON `builds` (`user_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `invites_expires` ON `invites` (`expires_at`);